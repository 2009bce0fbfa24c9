"""Stable Diffusion in Flax, for its attention: U-Net, encoders, DDIM inversion."""
