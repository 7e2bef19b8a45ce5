"""Small copies of pictures for the page, and Gradio's cache that serves them."""
