"""Commands that begin a project, give it traffic, and look whether it is well."""
