"""`digitforge-evaluate`: a run or a version in, figures and pictures out."""
