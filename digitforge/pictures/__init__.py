"""A picture as people have it, brought to MNIST's form, and MNIST's form as a picture."""
