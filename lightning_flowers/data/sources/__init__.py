"""Where records come from: the competition's folders, any folder or URL, and the drawn demo."""
