"""Who follows the dataset hears of each change: streams of server-sent events, and waiting for changes."""
