"""The servers of the comparison, each a script for an environment of its own. None imports anything of ours."""
