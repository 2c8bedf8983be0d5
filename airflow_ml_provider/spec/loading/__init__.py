"""From the files of a folder to checked pipelines, and back to text."""
