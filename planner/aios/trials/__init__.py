"""Tests of intents: what their files say, and whether a plan is what a case expects.

Pure: a plan and expectations in, what differs out. What is planned for a case, and on which emulated fleet, is the
business of ``workflow``.
"""

from aios.trials.expecting import Failure, failures_of, ruling_failures
from aios.trials.written import Case, TestForm, Trial, compile_tests

__all__ = ["Case", "Failure", "TestForm", "Trial", "compile_tests", "failures_of", "ruling_failures"]
