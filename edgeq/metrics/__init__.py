"""What a model's answers are worth: outputs and labels in, figures with their intervals out."""
