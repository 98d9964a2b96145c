"""The parts of a script of plain PyTorch: settings, data, model, first weights and loop, each as source text."""
