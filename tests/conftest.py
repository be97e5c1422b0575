"""Options of the whole suite."""


def pytest_addoption(parser):
    parser.addoption(
        "--accept-golden", action="store_true", help="Write what golden cases print now as what is expected."
    )
