"""What the engine and the controllers share: the model, the plan, ownership and events. Pure."""
