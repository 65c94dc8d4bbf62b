"""The past of the run that is shown: questions to its history, and what their answers are for."""
