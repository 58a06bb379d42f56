"""Where data sets come from: a module for each way in which people have them. `training.data` is the door."""
