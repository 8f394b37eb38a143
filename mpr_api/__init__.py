"""What others call over HTTP: the webhook of object stores."""
