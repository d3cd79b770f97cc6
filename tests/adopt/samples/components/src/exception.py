class CustomException(Exception):
    def __init__(self, error, detail):
        _, _, tb = detail.exc_info()
        super().__init__(f"{tb.tb_frame.f_code.co_filename}:{tb.tb_lineno}: {error}")
