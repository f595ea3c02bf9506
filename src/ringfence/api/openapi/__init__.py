"""The document of the API: what each route takes, answers and refuses."""
