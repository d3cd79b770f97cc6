"""The fault matrix: every kind of fault at every request of every verb on Azure Machine Learning, by rule.

For each verb one clean run tells how many requests it makes and what it leaves. Then, for every kind of fault of
standin.faults and every request: a fresh workspace, the verb with that fault at that request, and the same verb again
until it succeeds. It has to leave what the clean run left: nothing lost, nothing made twice; and a run that fails has
to say why in two lines. `python dev.py faults` runs it all and prints the table of tried and survived.

| module | what |
|---|---|
| runner | a process that has imported azure-ai-ml, and forks a child for each run of a verb |
| bench | runs of verbs against the stand-in, and what is left after them |
| verbs | the verbs, and the workspace that each finds |
| test_matrix | the matrix, and a sample of it for every day |
| test_at_once | two people at once, logs without an account key, tokens that run out |
"""
