// Preloaded before Azurite: when its standard input closes it shuts down as if told to, on every system. So it is
// stopped, and so it never outlives the process that started it, however that one ended.
function close() {
  if (!process.emit("SIGTERM")) process.exit(0);
}
process.stdin.on("end", close).on("error", close).resume();

// Every ten minutes Azurite would look for content that no blob refers to, and answer nothing for as long as that
// takes: minutes, where tests have made some hundred thousand blobs. One that lives in memory can do without.
require("azurite/dist/src/blob/utils/constants").DEFAULT_GC_INTERVAL_MS = 2 ** 31 - 1;
