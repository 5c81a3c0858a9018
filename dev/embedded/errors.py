"""What goes wrong with the embedded servers, in words for whoever started them."""


class EmbeddedServiceError(RuntimeError):
    """An embedded server cannot be used; the message is one line and says what to do."""
