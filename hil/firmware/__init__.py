"""Firmware onto phones: images, what a phone makes of them, and the way back."""
