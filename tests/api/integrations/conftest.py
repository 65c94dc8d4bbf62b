"""Trainings of the libraries use one thread, as several trainings of other tests run beside them."""

import importlib.util

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small models are slower with several threads."""
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
