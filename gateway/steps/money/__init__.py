"""What the steps that move money share: tries and operations, what an outcome leads to, the book, what is owed."""
