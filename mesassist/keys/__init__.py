"""The keys room: the pages on which a plant's admins look after its API keys."""
