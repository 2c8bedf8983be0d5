"""Whether a model is good enough, and which one was the champion."""
