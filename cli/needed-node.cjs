// The beginning of the one file. An older Node lacks the WebSocket that the SDK uses.
if (Number(process.versions.node.split('.')[0]) < 22) {
  process.stderr.write(`barrage needs Node 22 or later, and this is Node ${process.versions.node}\n`);
  process.exit(1);
}
