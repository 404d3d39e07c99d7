// Preloaded before Azurite: when its standard input closes it shuts down as if told to, on every system. So it is
// stopped, and so it never outlives the process that started it, however that one ended.
function close() {
  if (!process.emit("SIGTERM")) process.exit(0);
}
process.stdin.on("end", close).on("error", close).resume();
