"""What packages have removed or renamed, as far as training code commonly uses it, and what stands for it today.

The sources are the packages' own release notes, of the version that a row names: docs.python.org "What's New",
numpy.org, pandas.pydata.org and scikit-learn.org "Release notes" and "What's new", docs.scipy.org, matplotlib.org "API
changes", seaborn.pydata.org, imbalanced-learn.org, xgboost.readthedocs.io, lightgbm.readthedocs.io, keras.io.
tests/adopt/test_retired.py tries the rows in the packages themselves.

A row without a requirement holds for every version that installs on Python 3.11 or later: scikit-learn 1.1.3, NumPy
1.23.2, pandas 1.5.0, SciPy 1.9.2, matplotlib 3.6.0 and their later ones all have what replaces the old. Where that came
later, or the old went later, the row names the requirement, such as scikit-learn>=1.4, and holds from there on.
"""

from typing import NamedTuple

# Modules that have another name, with all that was in them.
MODULES = {
    "sklearn.cross_validation": ("sklearn.model_selection", "scikit-learn 0.20"),
    "sklearn.grid_search": ("sklearn.model_selection", "scikit-learn 0.20"),
    "sklearn.learning_curve": ("sklearn.model_selection", "scikit-learn 0.20"),
    "sklearn.externals.joblib": ("joblib", "scikit-learn 0.23"),
    "sklearn.externals.six": ("six", "scikit-learn 0.23"),
    "sklearn.utils.testing": ("sklearn.utils._testing", "scikit-learn 0.24"),
    "pandas.np": ("numpy", "pandas 2.0"),
    "pandas.tools.plotting": ("pandas.plotting", "pandas 0.25"),
    "pandas.util.testing": ("pandas.testing", "pandas 2.0"),
    "keras.utils.np_utils": ("keras.utils", "Keras 2.13"),
    "keras.utils.vis_utils": ("keras.utils", "Keras 2.13"),
    "keras.objectives": ("keras.losses", "Keras 2.4"),
}

# Modules that scikit-learn 0.22 made private and 0.24 removed, and Keras's own, by the package that they are in: their
# names, and what of them is the package's own.
PRIVATE = {
    "sklearn.cluster": (
        "affinity_propagation_ bicluster birch dbscan_ hierarchical k_means_ mean_shift_ optics_ spectral",
        "AffinityPropagation AgglomerativeClustering Birch DBSCAN FeatureAgglomeration KMeans MeanShift "
        "MiniBatchKMeans OPTICS SpectralBiclustering SpectralClustering SpectralCoclustering "
        "affinity_propagation cluster_optics_dbscan cluster_optics_xi compute_optics_graph dbscan "
        "estimate_bandwidth get_bin_seeds k_means linkage_tree mean_shift spectral_clustering ward_tree",
    ),
    "sklearn.covariance": (
        "elliptic_envelope empirical_covariance_ graph_lasso_ robust_covariance shrunk_covariance_",
        "EllipticEnvelope EmpiricalCovariance GraphicalLasso GraphicalLassoCV LedoitWolf MinCovDet OAS "
        "ShrunkCovariance empirical_covariance fast_mcd graphical_lasso ledoit_wolf ledoit_wolf_shrinkage "
        "log_likelihood oas shrunk_covariance",
    ),
    "sklearn.cross_decomposition": (
        "cca_ pls_",
        "CCA PLSCanonical PLSRegression PLSSVD",
    ),
    "sklearn.datasets": (
        "base california_housing covtype kddcup99 lfw olivetti_faces openml rcv1 samples_generator "
        "species_distributions svmlight_format twenty_newsgroups",
        "clear_data_home dump_svmlight_file fetch_20newsgroups fetch_20newsgroups_vectorized "
        "fetch_california_housing fetch_covtype fetch_kddcup99 fetch_lfw_pairs fetch_lfw_people "
        "fetch_olivetti_faces fetch_openml fetch_rcv1 fetch_species_distributions get_data_home "
        "load_breast_cancer load_diabetes load_digits load_files load_iris load_linnerud load_sample_image "
        "load_sample_images load_svmlight_file load_svmlight_files load_wine make_biclusters make_blobs "
        "make_checkerboard make_circles make_classification make_friedman1 make_friedman2 make_friedman3 "
        "make_gaussian_quantiles make_hastie_10_2 make_low_rank_matrix make_moons "
        "make_multilabel_classification make_regression make_s_curve make_sparse_coded_signal "
        "make_sparse_spd_matrix make_sparse_uncorrelated make_spd_matrix make_swiss_roll",
    ),
    "sklearn.decomposition": (
        "dict_learning factor_analysis fastica_ incremental_pca kernel_pca nmf online_lda pca sparse_pca truncated_svd",
        "DictionaryLearning FactorAnalysis FastICA IncrementalPCA KernelPCA LatentDirichletAllocation "
        "MiniBatchDictionaryLearning MiniBatchSparsePCA NMF PCA SparseCoder SparsePCA TruncatedSVD "
        "dict_learning dict_learning_online fastica non_negative_factorization randomized_svd sparse_encode",
    ),
    "sklearn.ensemble": (
        "bagging base forest gradient_boosting iforest voting weight_boosting",
        "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor BaseEnsemble "
        "ExtraTreesClassifier ExtraTreesRegressor GradientBoostingClassifier GradientBoostingRegressor "
        "IsolationForest RandomForestClassifier RandomForestRegressor RandomTreesEmbedding VotingClassifier "
        "VotingRegressor",
    ),
    "sklearn.feature_extraction": (
        "dict_vectorizer hashing",
        "DictVectorizer FeatureHasher",
    ),
    "sklearn.feature_selection": (
        "base from_model mutual_info univariate_selection variance_threshold",
        "GenericUnivariateSelect SelectFdr SelectFpr SelectFromModel SelectFwe SelectKBest SelectPercentile "
        "SelectorMixin VarianceThreshold chi2 f_classif f_oneway f_regression mutual_info_classif "
        "mutual_info_regression",
    ),
    "sklearn.gaussian_process": (
        "gpc gpr",
        "GaussianProcessClassifier GaussianProcessRegressor",
    ),
    "sklearn.linear_model": (
        "base bayes coordinate_descent huber least_angle logistic omp passive_aggressive perceptron ransac "
        "ridge sgd_fast stochastic_gradient theil_sen",
        "ARDRegression BayesianRidge ElasticNet ElasticNetCV HuberRegressor Lars LarsCV Lasso "
        "LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression LogisticRegression "
        "LogisticRegressionCV MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso "
        "MultiTaskLassoCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV PassiveAggressiveClassifier "
        "PassiveAggressiveRegressor Perceptron RANSACRegressor Ridge RidgeCV RidgeClassifier "
        "RidgeClassifierCV SGDClassifier SGDRegressor TheilSenRegressor enet_path lars_path "
        "lars_path_gram lasso_path orthogonal_mp orthogonal_mp_gram ridge_regression",
    ),
    "sklearn.manifold": (
        "isomap locally_linear mds spectral_embedding_ t_sne",
        "Isomap LocallyLinearEmbedding MDS SpectralEmbedding TSNE locally_linear_embedding smacof "
        "spectral_embedding trustworthiness",
    ),
    "sklearn.metrics": (
        "classification ranking regression scorer",
        "accuracy_score adjusted_mutual_info_score adjusted_rand_score auc average_precision_score "
        "balanced_accuracy_score brier_score_loss check_scoring classification_report cohen_kappa_score "
        "completeness_score confusion_matrix coverage_error dcg_score explained_variance_score f1_score "
        "fbeta_score fowlkes_mallows_score get_scorer hamming_loss hinge_loss homogeneity_score jaccard_score "
        "label_ranking_average_precision_score label_ranking_loss log_loss make_scorer matthews_corrcoef "
        "max_error mean_absolute_error mean_gamma_deviance mean_poisson_deviance mean_squared_error "
        "mean_squared_log_error mean_tweedie_deviance median_absolute_error multilabel_confusion_matrix "
        "mutual_info_score ndcg_score normalized_mutual_info_score precision_recall_curve "
        "precision_recall_fscore_support precision_score r2_score recall_score roc_auc_score roc_curve "
        "v_measure_score zero_one_loss",
    ),
    "sklearn.metrics.cluster": (
        "bicluster expected_mutual_info_fast supervised unsupervised",
        "adjusted_mutual_info_score adjusted_rand_score calinski_harabasz_score completeness_score "
        "consensus_score contingency_matrix davies_bouldin_score entropy expected_mutual_information "
        "fowlkes_mallows_score homogeneity_completeness_v_measure homogeneity_score mutual_info_score "
        "normalized_mutual_info_score silhouette_samples silhouette_score v_measure_score",
    ),
    "sklearn.mixture": (
        "bayesian_mixture gaussian_mixture",
        "BayesianGaussianMixture GaussianMixture",
    ),
    "sklearn.neighbors": (
        "ball_tree base classification dist_metrics graph kd_tree kde lof nca nearest_centroid regression unsupervised",
        "BallTree KDTree KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer "
        "KernelDensity LocalOutlierFactor NearestCentroid NearestNeighbors NeighborhoodComponentsAnalysis "
        "RadiusNeighborsClassifier RadiusNeighborsRegressor RadiusNeighborsTransformer VALID_METRICS "
        "VALID_METRICS_SPARSE kneighbors_graph radius_neighbors_graph",
    ),
    "sklearn.neural_network": (
        "multilayer_perceptron rbm",
        "BernoulliRBM MLPClassifier MLPRegressor",
    ),
    "sklearn.preprocessing": (
        "data label",
        "Binarizer KernelCenterer LabelBinarizer LabelEncoder MaxAbsScaler MinMaxScaler MultiLabelBinarizer "
        "Normalizer OneHotEncoder PolynomialFeatures PowerTransformer QuantileTransformer RobustScaler "
        "StandardScaler add_dummy_feature binarize label_binarize maxabs_scale minmax_scale normalize "
        "power_transform quantile_transform robust_scale scale",
    ),
    "sklearn.semi_supervised": (
        "label_propagation",
        "LabelPropagation LabelSpreading",
    ),
    "sklearn.svm": (
        "bounds classes",
        "LinearSVC LinearSVR NuSVC NuSVR OneClassSVM SVC SVR l1_min_c",
    ),
    "sklearn.tree": (
        "export tree",
        "BaseDecisionTree DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor "
        "export_graphviz export_text plot_tree",
    ),
    "keras.layers": (
        "advanced_activations convolutional core embeddings merge noise normalization pooling recurrent wrappers",
        "Activation Add Average AveragePooling1D AveragePooling2D BatchNormalization Bidirectional Concatenate Conv1D "
        "Conv2D Conv2DTranspose Conv3D Dense Dot Dropout ELU Embedding Flatten GRU GaussianDropout GaussianNoise "
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D LSTM Lambda LeakyReLU "
        "Masking MaxPooling1D MaxPooling2D Maximum Multiply PReLU Permute ReLU RepeatVector Reshape SeparableConv2D "
        "SimpleRNN SpatialDropout1D SpatialDropout2D TimeDistributed UpSampling1D UpSampling2D ZeroPadding1D "
        "ZeroPadding2D add average concatenate dot maximum multiply",
    ),
}

# Names that are the same under another one, and the release that had them no more. What has no dot is Python's own.
NAMES = {
    # Python
    "time.clock": ("time.perf_counter", "Python 3.8"),
    **{
        f"collections.{name}": (f"collections.abc.{name}", "Python 3.10")
        for name in (
            "Callable Container Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView "
            "MutableMapping MutableSequence MutableSet Sequence Set Sized ValuesView"
        ).split()
    },
    "fractions.gcd": ("math.gcd", "Python 3.9"),
    "cgi.escape": ("html.escape", "Python 3.8"),
    "base64.encodestring": ("base64.encodebytes", "Python 3.9"),
    "base64.decodestring": ("base64.decodebytes", "Python 3.9"),
    # NumPy: these were Python's own types
    **{f"numpy.{name}": (name, "NumPy 1.24") for name in ("float", "int", "bool", "object", "str", "complex")},
    **{
        f"numpy.{old}": (f"numpy.{new}", "NumPy 2.0")
        for old, new in {
            "product": "prod", "cumproduct": "cumprod", "sometrue": "any", "alltrue": "all", "round_": "round",
            "NaN": "nan", "NAN": "nan", "Inf": "inf", "Infinity": "inf", "infty": "inf", "PINF": "inf",
            "float_": "float64", "complex_": "complex128", "cfloat": "complex128", "singlecomplex": "complex64",
            "unicode_": "str_", "string_": "bytes_", "mat": "asmatrix", "bool8": "bool_",
        }.items()
    },
    # pandas
    "pandas.io.json.json_normalize": ("pandas.json_normalize", "pandas 2.0"),
    "pandas.scatter_matrix": ("pandas.plotting.scatter_matrix", "pandas 0.25"),
    "pandas.datetime": ("datetime.datetime", "pandas 2.0"),
    # SciPy
    "scipy.interp": ("numpy.interp", "SciPy 1.12"),
    "scipy.misc.logsumexp": ("scipy.special.logsumexp", "SciPy 1.3"),
    "scipy.misc.comb": ("scipy.special.comb", "SciPy 1.3"),
    "scipy.misc.factorial": ("scipy.special.factorial", "SciPy 1.3"),
    "scipy.integrate.trapz": ("scipy.integrate.trapezoid", "SciPy 1.14"),
    "scipy.integrate.cumtrapz": ("scipy.integrate.cumulative_trapezoid", "SciPy 1.14"),
    **{
        f"scipy.{name}": (f"numpy.{name}", "SciPy 1.12")
        for name in "arange array exp linspace log log10 mean median ones sqrt std where zeros".split()
    },
    **{
        f"scipy.signal.{name}": (f"scipy.signal.windows.{name}", "SciPy 1.13")
        for name in "blackman gaussian hamming hann kaiser".split()
    },
    # scikit-learn
    "sklearn.externals.six.StringIO": ("io.StringIO", "scikit-learn 0.23"),
    "sklearn.lda.LDA": ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", "scikit-learn 0.19"),
    "sklearn.qda.QDA": ("sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis", "scikit-learn 0.19"),
    "sklearn.covariance.GraphLasso": ("sklearn.covariance.GraphicalLasso", "scikit-learn 0.22"),
    "sklearn.datasets.base.Bunch": ("sklearn.utils.Bunch", "scikit-learn 0.24"),
    "sklearn.feature_extraction.stop_words.ENGLISH_STOP_WORDS": (
        "sklearn.feature_extraction.text.ENGLISH_STOP_WORDS", "scikit-learn 0.24",
    ),
    "sklearn.metrics.calinski_harabaz_score": ("sklearn.metrics.calinski_harabasz_score", "scikit-learn 0.23"),
    "sklearn.metrics.plot_confusion_matrix": (
        "sklearn.metrics.ConfusionMatrixDisplay.from_estimator", "scikit-learn 1.2",
    ),
    "sklearn.metrics.plot_roc_curve": ("sklearn.metrics.RocCurveDisplay.from_estimator", "scikit-learn 1.2"),
    "sklearn.metrics.plot_det_curve": ("sklearn.metrics.DetCurveDisplay.from_estimator", "scikit-learn 1.2"),
    "sklearn.metrics.plot_precision_recall_curve": (
        "sklearn.metrics.PrecisionRecallDisplay.from_estimator", "scikit-learn 1.2",
    ),
    "sklearn.inspection.plot_partial_dependence": (
        "sklearn.inspection.PartialDependenceDisplay.from_estimator", "scikit-learn 1.2",
    ),
    "sklearn.neighbors.DistanceMetric": ("sklearn.metrics.DistanceMetric", "scikit-learn 1.3"),
    "sklearn.neighbors.dist_metrics.DistanceMetric": ("sklearn.metrics.DistanceMetric", "scikit-learn 0.24"),
    "sklearn.utils.fixes.logsumexp": ("scipy.special.logsumexp", "scikit-learn 0.22"),
    "sklearn.utils.extmath.logsumexp": ("scipy.special.logsumexp", "scikit-learn 0.21"),
    "sklearn.utils.safe_indexing": ("sklearn.utils._safe_indexing", "scikit-learn 0.24"),
    # matplotlib
    "matplotlib.cm.get_cmap": ("matplotlib.pyplot.get_cmap", "matplotlib 3.9"),
    "matplotlib.cm.spectral": ("matplotlib.cm.nipy_spectral", "matplotlib 2.2"),
    "matplotlib.pyplot.cm.get_cmap": ("matplotlib.pyplot.get_cmap", "matplotlib 3.9"),
    "matplotlib.pyplot.cm.spectral": ("matplotlib.pyplot.cm.nipy_spectral", "matplotlib 2.2"),
    # seaborn
    "seaborn.lvplot": ("seaborn.boxenplot", "seaborn 0.11"),
    # Keras
    "keras.layers.CuDNNLSTM": ("keras.layers.LSTM", "Keras 3"),
    "keras.layers.CuDNNGRU": ("keras.layers.GRU", "Keras 3"),
    "keras.engine.Layer": ("keras.layers.Layer", "Keras 2.4"),
    "keras.engine.topology.Layer": ("keras.layers.Layer", "Keras 2.4"),
}  # fmt: skip


class Decide(NamedTuple):
    """What the owner has to change."""

    gone: str
    advice: str
    needs: str = ""  # a requirement, for what versions of today still have


NAMES_TO_DECIDE = {
    "inspect.getargspec": Decide("Python 3.11", "inspect.getfullargspec(f) has its parts first, and three more"),
    "platform.linux_distribution": Decide("Python 3.8", "the package distro has it: distro.linux_distribution()"),
    "platform.dist": Decide("Python 3.8", "the package distro has it: distro.linux_distribution()"),
    "asyncio.coroutine": Decide("Python 3.11", "write async def"),
    "imp": Decide("Python 3.12", "use importlib", "python>=3.12"),
    "distutils": Decide("Python 3.12", "setuptools brings it: add setuptools, or write it yourself", "python>=3.12"),
    "numpy.asscalar": Decide("NumPy 1.23", "write x.item()"),
    "numpy.NINF": Decide("NumPy 2.0", "write -np.inf", "numpy>=2"),
    "numpy.asfarray": Decide("NumPy 2.0", "write np.asarray(a, dtype=float)", "numpy>=2"),
    "numpy.find_common_type": Decide("NumPy 2.0", "write np.result_type(...)", "numpy>=2"),
    "numpy.msort": Decide("NumPy 2.0", "write np.sort(a, axis=0)", "numpy>=2"),
    "numpy.in1d": Decide("NumPy 2.4", "write np.isin(a, b), and .ravel() of it where a is no row", "numpy>=2.4"),
    "numpy.trapz": Decide("NumPy 2.4", "write np.trapezoid", "numpy>=2.4"),
    "pandas.Panel": Decide("pandas 0.25", "use a DataFrame with a MultiIndex, or xarray"),
    "pandas.TimeGrouper": Decide("pandas 0.25", 'write pd.Grouper(freq="D")'),
    "pandas.ols": Decide("pandas 0.20", "use statsmodels: sm.OLS(y, x).fit()"),
    **{
        f"pandas.rolling_{name}": Decide("pandas 0.23", f"write x.rolling(window).{name}()")
        for name in ("mean", "sum", "std", "var", "min", "max", "median", "count", "apply")
    },
    "pandas.ewma": Decide("pandas 0.23", "write x.ewm(span=...).mean()"),
    "pandas.value_counts": Decide("pandas 3.0", "write pd.Series(x).value_counts()", "pandas>=3"),
    **{
        f"scipy.misc.{name}": Decide("SciPy 1.3", advice)
        for name, advice in {
            "imread": "write imageio.v2.imread(path), or np.asarray(PIL.Image.open(path)); add imageio or pillow",
            "imsave": "write PIL.Image.fromarray(a).save(path), and add pillow",
            "imresize": "write np.asarray(PIL.Image.fromarray(a).resize((width, height))), and add pillow",
            "toimage": "write PIL.Image.fromarray(a), and add pillow",
            "imrotate": "write scipy.ndimage.rotate(a, angle)",
        }.items()
    },
    "scipy.ndimage.imread": Decide("SciPy 1.2", "write imageio.v2.imread(path), and add imageio"),
    "scipy.integrate.simps": Decide("SciPy 1.14", "write scipy.integrate.simpson(y, x=x)", "scipy>=1.14"),
    "scipy.interpolate.spline": Decide("SciPy 1.3", "write make_interp_spline(x, y)(xnew) of scipy.interpolate"),
    "scipy.interpolate.interp2d": Decide(
        "SciPy 1.14", "it always raises: use RegularGridInterpolator or RectBivariateSpline", "scipy>=1.14"
    ),
    "scipy.stats.binom_test": Decide("SciPy 1.12", "write scipy.stats.binomtest(...).pvalue", "scipy>=1.12"),
    "scipy.stats.itemfreq": Decide("SciPy 1.3", "write np.unique(a, return_counts=True)"),
    "sklearn.preprocessing.Imputer": Decide(
        "scikit-learn 0.22", "write `from sklearn.impute import SimpleImputer` and "
        'SimpleImputer(missing_values=np.nan, strategy="mean"); it has no axis'
    ),
    "sklearn.datasets.load_boston": Decide(
        "scikit-learn 1.2", 'use fetch_california_housing(), or fetch_openml(name="boston", version=1)',
        "scikit-learn>=1.2",
    ),
    "sklearn.datasets.fetch_mldata": Decide(
        "scikit-learn 0.22", 'write fetch_openml("mnist_784"), whose target has texts'
    ),
    "sklearn.metrics.jaccard_similarity_score": Decide(
        "scikit-learn 0.23", "it was accuracy_score for all but multilabel data; jaccard_score is the real one"
    ),
    "sklearn.metrics.SCORERS": Decide("scikit-learn 1.3", "write get_scorer_names()", "scikit-learn>=1.3"),
    "sklearn.utils.linear_assignment_.linear_assignment": Decide(
        "scikit-learn 0.23", "write np.transpose(scipy.optimize.linear_sum_assignment(a))"
    ),
    "sklearn.mixture.GMM": Decide("scikit-learn 0.20", "write GaussianMixture; covars_ is covariances_ there"),
    "sklearn.mixture.DPGMM": Decide("scikit-learn 0.20", "write BayesianGaussianMixture"),
    "sklearn.decomposition.RandomizedPCA": Decide("scikit-learn 0.20", 'write PCA(svd_solver="randomized")'),
    "sklearn.linear_model.RandomizedLasso": Decide("scikit-learn 0.21", "nothing has its place: use SelectFromModel"),
    "sklearn.hmm": Decide("scikit-learn 0.17", "the package hmmlearn has it"),
    "sklearn.utils.metaestimators.if_delegate_has_method": Decide(
        "scikit-learn 1.3", "write available_if", "scikit-learn>=1.3"
    ),
    "matplotlib.mlab.normpdf": Decide("matplotlib 3.1", "write scipy.stats.norm.pdf(x, mu, sigma)"),
    "matplotlib.mlab.PCA": Decide("matplotlib 3.1", "use sklearn.decomposition.PCA"),
    "matplotlib.mlab.bivariate_normal": Decide("matplotlib 3.1", "use scipy.stats.multivariate_normal"),
    "matplotlib.finance": Decide("matplotlib 2.2", "the package mplfinance has it"),
    "seaborn.tsplot": Decide("seaborn 0.10", "write sns.lineplot(x=..., y=..., data=...)", "seaborn>=0.10"),
    "seaborn.distplot": Decide("seaborn 0.14", "write sns.histplot(x, kde=True, stat='density')", "seaborn>=0.14"),
    "seaborn.factorplot": Decide(
        "seaborn 0.12", 'write sns.catplot(x=..., y=..., data=..., kind="point"), with height= for size=',
        "seaborn>=0.12",
    ),
    "imblearn.ensemble.EasyEnsemble": Decide("imbalanced-learn 0.6", "use EasyEnsembleClassifier"),
    "imblearn.ensemble.BalanceCascade": Decide("imbalanced-learn 0.6", "use EasyEnsembleClassifier"),
    "keras.wrappers.scikit_learn": Decide("Keras 2.13", "the package scikeras has KerasClassifier and KerasRegressor"),
    "tensorflow.keras.wrappers.scikit_learn": Decide("TensorFlow 2.13", "the package scikeras has its classes"),
    "keras.preprocessing.text.Tokenizer": Decide("Keras 3", "use keras.layers.TextVectorization", "keras>=3"),
    "keras.preprocessing.image.ImageDataGenerator": Decide(
        "Keras 3", "use keras.utils.image_dataset_from_directory and layers such as RandomFlip", "keras>=3"
    ),
    **{
        f"tensorflow.{name}": Decide(
            "TensorFlow 2.0", f"write tf.compat.v1.{name} and tf.compat.v1.disable_v2_behavior()"
        )
        for name in ("placeholder", "Session", "InteractiveSession", "get_variable", "global_variables_initializer")
    },
    "tensorflow.contrib": Decide("TensorFlow 2.0", "parts of it are in tensorflow_addons or tf_slim"),
    "tensorflow.examples.tutorials": Decide("TensorFlow 2.1", "write tf.keras.datasets.mnist.load_data()"),
}  # fmt: skip


class Argument(NamedTuple):
    """An argument of calls.

    `new`: "name=" is another name, "name=value" another one with that value, else a value; "" takes it out. With
    `advice` instead, it is the owner's to change.
    """

    functions: str  # their full names; ".name" is a method of anything
    keyword: str
    old: str  # the value as code; "" for any
    new: str
    gone: str
    needs: str = ""
    advice: str = ""


_FOREST = "sklearn.ensemble.RandomForest{0} sklearn.ensemble.ExtraTrees{0}"
_TREE = "sklearn.tree.DecisionTree{0} sklearn.tree.ExtraTree{0}"
_BOOSTING = "sklearn.ensemble.GradientBoosting{0}"
_CLASSIFIERS, _REGRESSORS = (
    " ".join(row.format(kind) for row in (_FOREST, _TREE, _BOOSTING)) for kind in ("Classifier", "Regressor")
)
_LINEAR = " ".join(
    f"sklearn.linear_model.{name}"
    for name in "LinearRegression Ridge RidgeCV RidgeClassifier Lasso LassoCV ElasticNet ElasticNetCV Lars LassoLars "
    "LassoLarsCV BayesianRidge ARDRegression OrthogonalMatchingPursuit".split()
)
_LOGISTIC = "sklearn.linear_model.LogisticRegression sklearn.linear_model.LogisticRegressionCV"
_SEARCH = "sklearn.model_selection.GridSearchCV sklearn.model_selection.RandomizedSearchCV"
_SCORED = f"{_SEARCH} " + " ".join(
    f"sklearn.model_selection.{name}"
    for name in "cross_val_score cross_validate learning_curve validation_curve".split()
)
_SPLITS = " ".join(
    f"sklearn.model_selection.{name}"
    for name in "KFold StratifiedKFold ShuffleSplit StratifiedShuffleSplit LeaveOneOut GroupKFold".split()
)
_SMOTES = " ".join(
    [
        f"imblearn.over_sampling.{name}"
        for name in "SMOTE RandomOverSampler ADASYN BorderlineSMOTE SVMSMOTE SMOTENC".split()
    ]
    + [f"imblearn.under_sampling.{name}" for name in "RandomUnderSampler ClusterCentroids NearMiss TomekLinks".split()]
    + [f"imblearn.combine.{name}" for name in "SMOTEENN SMOTETomek".split()]
)
_READ = "pandas.read_csv pandas.read_table"
_OPTIMIZERS = " ".join(
    f"{package}.optimizers.{name}"
    for package in ("keras", "tensorflow.keras")
    for name in "Adam SGD RMSprop Adagrad Adadelta Adamax Nadam".split()
)
_BOOSTER = "early_stopping_rounds= and eval_metric= go into the constructor: XGBClassifier(early_stopping_rounds=...)"
_CALLBACKS = "write callbacks=[lgb.early_stopping(rounds), lgb.log_evaluation(period)]"
_LGBM = "lightgbm.LGBMClassifier.fit lightgbm.LGBMRegressor.fit lightgbm.LGBMRanker.fit"
_XGB = "xgboost.XGBClassifier.fit xgboost.XGBRegressor.fit xgboost.XGBRanker.fit"

ARGUMENTS = [
    # scikit-learn
    Argument(_CLASSIFIERS, "max_features", '"auto"', '"sqrt"', "scikit-learn 1.3"),
    Argument(_REGRESSORS, "max_features", '"auto"', "1.0", "scikit-learn 1.3"),
    Argument(_REGRESSORS, "criterion", '"mse"', '"squared_error"', "scikit-learn 1.2"),
    Argument(f"{_FOREST.format('Regressor')} {_TREE.format('Regressor')}", "criterion", '"mae"', '"absolute_error"',
             "scikit-learn 1.2"),
    Argument(_BOOSTING.format("Regressor"), "loss", '"ls"', '"squared_error"', "scikit-learn 1.2"),
    Argument(_BOOSTING.format("Regressor"), "loss", '"lad"', '"absolute_error"', "scikit-learn 1.2"),
    Argument(_BOOSTING.format("Classifier"), "loss", '"deviance"', '"log_loss"', "scikit-learn 1.3"),
    Argument("sklearn.linear_model.SGDClassifier", "loss", '"log"', '"log_loss"', "scikit-learn 1.3"),
    Argument("sklearn.linear_model.SGDRegressor", "loss", '"squared_loss"', '"squared_error"', "scikit-learn 1.2"),
    Argument(f"{_CLASSIFIERS} {_REGRESSORS}", "presort", "", "", "scikit-learn 0.24"),
    Argument(f"{_CLASSIFIERS} {_REGRESSORS}", "min_impurity_split", "None", "", "scikit-learn 1.0"),
    Argument(f"{_CLASSIFIERS} {_REGRESSORS}", "min_impurity_split", "", "", "scikit-learn 1.0",
             advice="take it out, or choose a min_impurity_decrease="),
    Argument("sklearn.cluster.KMeans", "n_jobs", "", "", "scikit-learn 1.0"),
    Argument("sklearn.cluster.KMeans", "precompute_distances", "", "", "scikit-learn 1.0"),
    Argument("sklearn.cluster.KMeans", "algorithm", '"full"', '"lloyd"', "scikit-learn 1.3"),
    Argument("sklearn.cluster.KMeans", "algorithm", '"auto"', '"lloyd"', "scikit-learn 1.3", "scikit-learn>=1.3"),
    Argument("sklearn.ensemble.IsolationForest", "behaviour", '"new"', "", "scikit-learn 0.24"),
    Argument("sklearn.ensemble.IsolationForest", "behaviour", "", "", "scikit-learn 0.24",
             advice='take it out: its scores are those of behaviour="new"'),
    Argument(_LINEAR, "normalize", "False", "", "scikit-learn 1.2"),
    Argument(_LINEAR, "normalize", "", "", "scikit-learn 1.2", "scikit-learn>=1.2",
             "take it out, and put StandardScaler(with_mean=False) before it with make_pipeline; alpha means "
             "another thing then"),
    Argument(_SEARCH, "iid", "False", "", "scikit-learn 0.24"),
    Argument(_SEARCH, "iid", "", "", "scikit-learn 0.24", advice="drop iid=: the folds' mean is not weighted any more"),
    Argument(_SEARCH, "fit_params", "", "", "scikit-learn 0.21", advice="hand it to .fit(X, y, **fit_params)"),
    *(
        Argument(_SCORED, "scoring", f'"{name}"', f'"neg_{name}"', "scikit-learn 0.20")
        for name in ("mean_squared_error", "mean_absolute_error", "median_absolute_error", "log_loss")
    ),
    Argument("sklearn.model_selection.cross_val_score sklearn.model_selection.cross_validate", "fit_params", "",
             "params=", "scikit-learn 1.6", "scikit-learn>=1.4"),
    *(
        Argument(_SPLITS, keyword, "", "", "scikit-learn 0.20",
                 advice="it takes n_splits=, and its split(X) gives the rows, where it was itself a list of them")
        for keyword in ("n", "n_folds", "n_iter")
    ),
    Argument("sklearn.linear_model.SGDClassifier sklearn.linear_model.SGDRegressor sklearn.linear_model.Perceptron",
             "n_iter", "", "", "scikit-learn 0.21", advice="write max_iter= instead, and tol=None to run them all"),
    Argument("sklearn.preprocessing.OneHotEncoder", "sparse", "", "sparse_output=", "scikit-learn 1.4",
             "scikit-learn>=1.4"),
    Argument("sklearn.preprocessing.OneHotEncoder", "categorical_features", "", "", "scikit-learn 0.22",
             advice='write ColumnTransformer([("onehot", OneHotEncoder(), columns)], remainder="passthrough")'),
    Argument("sklearn.preprocessing.OneHotEncoder", "n_values", "", "", "scikit-learn 0.22",
             advice="write categories=[range(n)] * columns"),
    Argument(_LOGISTIC, "multi_class", '"auto"', "", "scikit-learn 1.8", "scikit-learn>=1.8"),
    Argument(_LOGISTIC, "multi_class", "", "", "scikit-learn 1.8", "scikit-learn>=1.8",
             'take it out; for "ovr": OneVsRestClassifier(LogisticRegression(...)) of sklearn.multiclass'),
    Argument(_LOGISTIC, "penalty", '"none"', "None", "scikit-learn 1.4", "scikit-learn>=1.4"),
    Argument("sklearn.ensemble.AdaBoostClassifier sklearn.ensemble.AdaBoostRegressor "
             "sklearn.ensemble.BaggingClassifier sklearn.ensemble.BaggingRegressor "
             "sklearn.calibration.CalibratedClassifierCV",
             "base_estimator", "", "estimator=", "scikit-learn 1.4", "scikit-learn>=1.4"),
    Argument("sklearn.linear_model.RANSACRegressor", "base_estimator", "", "estimator=", "scikit-learn 1.3"),
    Argument("sklearn.ensemble.AdaBoostClassifier", "algorithm", '"SAMME"', "", "scikit-learn 1.8",
             "scikit-learn>=1.8"),
    Argument("sklearn.ensemble.AdaBoostClassifier", "algorithm", '"SAMME.R"', "", "scikit-learn 1.6",
             "scikit-learn>=1.6", "take it out: SAMME, another algorithm, is the only one"),
    Argument("sklearn.calibration.CalibratedClassifierCV", "cv", '"prefit"', "", "scikit-learn 1.8",
             "scikit-learn>=1.8", "write CalibratedClassifierCV(FrozenEstimator(model)), of sklearn.frozen"),
    Argument("sklearn.cluster.AgglomerativeClustering", "affinity", "", "metric=", "scikit-learn 1.4",
             "scikit-learn>=1.4"),
    Argument("sklearn.manifold.TSNE", "n_iter", "", "max_iter=", "scikit-learn 1.7", "scikit-learn>=1.7"),
    Argument("sklearn.metrics.mean_squared_error", "squared", "True", "", "scikit-learn 1.6"),
    Argument("sklearn.metrics.mean_squared_error", "squared", "", "", "scikit-learn 1.6", "scikit-learn>=1.6",
             "write root_mean_squared_error(y, predicted)"),
    Argument("sklearn.metrics.auc", "reorder", "", "",
             "scikit-learn 0.22", advice="sort x and y before, and take it out"),
    # pandas
    Argument(_READ, "error_bad_lines", "False", 'on_bad_lines="warn"', "pandas 2.0"),
    Argument(_READ, "error_bad_lines", "True", "", "pandas 2.0"),
    Argument(_READ, "warn_bad_lines", "", "", "pandas 2.0"),
    Argument(_READ, "squeeze", "", "", "pandas 2.0", "pandas>=2", 'write read_csv(...).squeeze("columns")'),
    Argument(_READ, "mangle_dupe_cols", "True", "", "pandas 2.0"),
    Argument(_READ, "delim_whitespace", "True", r'sep=r"\s+"', "pandas 3.0"),
    Argument(_READ, "infer_datetime_format", "", "", "pandas 3.0", "pandas>=3"),
    Argument("pandas.to_datetime", "infer_datetime_format", "", "", "pandas 3.0", "pandas>=3"),
    Argument(_READ, "date_parser", "", "", "pandas 3.0", "pandas>=3",
             "write date_format=, or pd.to_datetime afterwards"),
    Argument(".to_csv", "line_terminator", "", "lineterminator=", "pandas 2.0"),
    Argument("pandas.concat", "join_axes", "", "", "pandas 1.0", advice="write .reindex(index) after pd.concat(...)"),
    *(
        Argument("pandas.date_range pandas.Grouper", "freq", f'"{old}"', f'"{new}"', "pandas 3.0", "pandas>=3")
        for old, new in {"M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "H": "h", "T": "min", "S": "s"}.items()
    ),
    # matplotlib
    Argument("matplotlib.pyplot.hist .hist numpy.histogram", "normed", "", "density=", "matplotlib 3.1, NumPy 1.24"),
    Argument("matplotlib.pyplot.grid .grid", "b", "", "visible=", "matplotlib 3.7"),
    Argument("matplotlib.use", "warn", "", "", "matplotlib 3.3"),
    Argument("matplotlib.pyplot.subplot matplotlib.pyplot.axes .add_subplot", "axisbg", "", "facecolor=",
             "matplotlib 2.2"),
    Argument(".gca", "projection", "", "", "matplotlib 3.6", advice='write fig.add_subplot(projection="3d")'),
    Argument("matplotlib.pyplot.boxplot", "labels", "", "tick_labels=", "matplotlib 3.11", "matplotlib>=3.11"),
    Argument("matplotlib.pyplot.savefig", "frameon", "", "", "matplotlib 3.3"),
    # seaborn
    *(
        Argument(f"seaborn.{name}", "size", "", "height=", "seaborn 0.12", "seaborn>=0.9")
        for name in ("pairplot", "FacetGrid", "PairGrid", "JointGrid", "lmplot", "catplot", "jointplot")
    ),
    # imbalanced-learn
    Argument(_SMOTES, "ratio", "", "sampling_strategy=", "imbalanced-learn 0.6"),
    Argument(_SMOTES, "n_jobs", "", "", "imbalanced-learn 0.12", "imbalanced-learn>=0.12"),
    Argument(_SMOTES, "return_indices", "", "", "imbalanced-learn 0.6",
             advice="take it out, and use .sample_indices_ after fit_resample"),
    Argument("imblearn.over_sampling.SMOTE", "kind", '"regular"', "", "imbalanced-learn 0.6"),
    Argument("imblearn.over_sampling.SMOTE", "kind", "", "", "imbalanced-learn 0.6",
             advice="write BorderlineSMOTE(kind=...), or SVMSMOTE()"),
    # XGBoost and LightGBM
    *(Argument(_XGB, keyword, "", "", "XGBoost 2.1", "xgboost>=2.1", _BOOSTER)
      for keyword in ("early_stopping_rounds", "eval_metric", "callbacks")),
    Argument("xgboost.XGBClassifier.predict xgboost.XGBRegressor.predict", "ntree_limit", "", "", "XGBoost 2.0",
             "xgboost>=2", "write iteration_range=(0, n)"),
    *(Argument(f"lightgbm.train lightgbm.cv {_LGBM}", keyword, "", "", "LightGBM 4.0", "lightgbm>=4", _CALLBACKS)
      for keyword in ("early_stopping_rounds", "verbose_eval", "evals_result")),
    Argument(_LGBM, "verbose", "", "", "LightGBM 4.0", "lightgbm>=4", _CALLBACKS),
    # Keras
    Argument(_OPTIMIZERS, "lr", "", "learning_rate=", "Keras 3"),
    # Python
    Argument("json.load json.loads", "encoding", "", "", "Python 3.9"),
]  # fmt: skip


class Positional(NamedTuple):
    """Arguments that have to be named now."""

    functions: str  # their full names; ".name" is a method of a data frame
    names: str  # of the parameters, as they stood in order
    allowed: int  # that may still stand without a name
    gone: str
    needs: str = ""


_CATEGORICAL = " ".join(
    f"seaborn.{name}"
    for name in "barplot boxplot boxenplot catplot countplot pointplot stripplot swarmplot violinplot".split()
)
SEABORN = [
    Positional(_CATEGORICAL, "x y hue data", 0, "seaborn 0.12"),
    Positional("seaborn.lineplot seaborn.scatterplot seaborn.relplot", "x y hue", 0, "seaborn 0.12"),
    Positional("seaborn.regplot seaborn.residplot seaborn.lmplot seaborn.jointplot", "x y data", 0, "seaborn 0.12"),
]
POSITIONAL = [
    Positional("pandas.concat", "objs axis join", 1, "pandas 2.0"),
    Positional(_READ, "filepath_or_buffer sep delimiter header names", 1, "pandas 2.0"),
    Positional(".drop", "labels axis", 1, "pandas 2.0"),
    Positional(".dropna", "axis how", 0, "pandas 2.0"),
    Positional(".any", "axis", 0, "pandas 2.0"),
    Positional(".all", "axis", 0, "pandas 2.0"),
    Positional(".sort_values", "by axis ascending", 1, "pandas 2.0"),
    Positional(".pivot", "index columns values", 0, "pandas 2.0"),
    Positional("sklearn.metrics.confusion_matrix", "y_true y_pred labels sample_weight", 2, "scikit-learn 1.0"),
    Positional("sklearn.metrics.classification_report", "y_true y_pred labels target_names", 2, "scikit-learn 1.0"),
    Positional("sklearn.metrics.f1_score sklearn.metrics.precision_score sklearn.metrics.recall_score",
               "y_true y_pred labels pos_label average", 2, "scikit-learn 1.0"),
    Positional("sklearn.metrics.roc_auc_score", "y_true y_score average sample_weight", 2, "scikit-learn 1.0"),
    Positional("sklearn.metrics.roc_curve", "y_true y_score pos_label", 2, "scikit-learn 1.0"),
    Positional("sklearn.metrics.accuracy_score", "y_true y_pred normalize sample_weight", 2, "scikit-learn 1.0"),
    Positional("sklearn.model_selection.cross_val_score", "estimator X y groups scoring cv", 3, "scikit-learn 1.0"),
    Positional("sklearn.cross_validation.cross_val_score", "estimator X y scoring cv", 3, "scikit-learn 0.18"),
    Positional("sklearn.model_selection.GridSearchCV", "estimator param_grid scoring", 2, "scikit-learn 1.0"),
    Positional("sklearn.model_selection.RandomizedSearchCV", "estimator param_distributions n_iter scoring", 2,
               "scikit-learn 1.0"),
    Positional("sklearn.svm.SVC", "C kernel degree gamma", 0, "scikit-learn 1.0"),
    Positional("sklearn.svm.SVR", "kernel degree gamma coef0 tol C", 0, "scikit-learn 1.0"),
    *SEABORN,
]  # fmt: skip

# Methods of data frames and their columns. FRAME is what they are called on, ARG the one argument.
METHODS = {
    "as_matrix()": ("FRAME.to_numpy()", "pandas 1.0"),
    "iteritems()": ("FRAME.items()", "pandas 2.0"),
    "get_values()": ("FRAME.to_numpy()", "pandas 1.0"),
    "convert_objects()": ("FRAME.infer_objects()", "pandas 1.0"),
}
METHODS_TO_DECIDE = {
    "ix": Decide("pandas 1.0", "write .loc for labels, .iloc for positions"),
    "append": Decide(
        "pandas 2.0",
        "write pd.concat([df, other], ignore_index=True); for a row: pd.concat([df, pd.DataFrame([row])])",
        "pandas>=2",
    ),
    "as_matrix": Decide("pandas 1.0", "write df[columns].to_numpy()"),
    "get_value": Decide("pandas 1.0", "write df.at[row, column]"),
    "set_value": Decide("pandas 1.0", "write df.at[row, column] = value"),
    "lookup": Decide("pandas 2.0", "write df.to_numpy()[rows, columns], both as positions", "pandas>=2"),
    "mad": Decide("pandas 2.0", "write (df - df.mean()).abs().mean()", "pandas>=2"),
    "sort": Decide("pandas 0.20", "write .sort_values(by=...) or .sort_index()"),
    "from_csv": Decide("pandas 1.0", "write pd.read_csv(path, index_col=0, parse_dates=True)"),
    "is_monotonic": Decide("pandas 2.0", "write .is_monotonic_increasing", "pandas>=2"),
}  # fmt: skip

# Styles that matplotlib 3.6 renamed and 3.8 removed.
STYLES = "matplotlib 3.8"
# Methods of objects of these packages, by the call that makes them.
FEATURE_NAMES = "CountVectorizer TfidfVectorizer HashingVectorizer DictVectorizer".split()
