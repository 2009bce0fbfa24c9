"""Text: prompts as tokens, and the encoder of CLIP that reads them."""
