"""The command line, by topic: settings as options, the commands, training with a bar, trained models, what is said."""
