"""Are the digits good, is the detector right: on tensors, whoever made them. Never imports the other rooms."""
