"""What a component's own process does, a module each: strangers' code, of which nothing is believed."""
