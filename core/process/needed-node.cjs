// Loaded before every command (package.json). A Node without TypeScript would only say that it does not know ".ts".
'use strict';

const neededMajor = 26;
const { node: version } = process.versions;

if (Number(version.split('.')[0]) < neededMajor) {
  process.stderr.write(
    `Barrage needs Node ${neededMajor} or later, and this is Node ${version}.\n` +
      'npm ci brings the right one by an install script, which --ignore-scripts leaves out. Run it, and then this command again:\n\n' +
      '  npm rebuild node --ignore-scripts=false\n\n',
  );
  process.exit(1);
}
