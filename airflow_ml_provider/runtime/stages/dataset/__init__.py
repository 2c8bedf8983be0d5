"""Tables as built-in stages read them: values as they are written, types from who knows them."""
