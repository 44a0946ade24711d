"""A trained model for other tools: ONNX, torch alone, timm. Its answers are held against the predictor's first."""
