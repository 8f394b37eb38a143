"""What people say of what is on screen in a timeline, as it is kept: truth and corrections. No run writes it."""
