import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseDocument } from 'yaml';
import { inTemporaryFolder, plainTar, runProgram } from './image/layer.ts';

/** Where `helm` is: on the PATH, or where the tests have built it. @throws Error that says what to install */
export function findHelm(repository: string, path: string): string {
  const folders = [...path.split(delimiter), join(repository, '.cache/cluster/bin')];
  const found = folders.map((folder) => join(folder, 'helm')).find((program) => existsSync(program));
  if (found === undefined) throw new Error('helm is not on the PATH: install it, or run the tests once, which build it');
  return found;
}

/**
 * Packages the chart by helm, with the image's digest in its values, so that an installation runs what was released.
 * The same chart gives the same bytes.
 * @param to folder to write to
 * @returns the file's name
 */
export function packageChart(
  chart: string,
  options: { readonly helm: string; readonly version: string; readonly digest: string; readonly to: string },
): string {
  const { helm, version, digest, to } = options;
  return inTemporaryFolder((folder) => {
    const staged = join(folder, 'barrage');
    cpSync(chart, staged, { recursive: true });
    setInYaml(join(staged, 'values.yaml'), ['image', 'digest'], digest);
    setInYaml(
      join(staged, 'Chart.yaml'),
      ['annotations', 'artifacthub.io/images'],
      `- name: barrage\n  image: barrage:${version}@${digest}\n`,
    );
    runProgram(helm, ['package', staged, '--version', version, '--app-version', version, '--destination', folder]);
    const name = `barrage-${version}.tgz`;
    // helm writes the time of now into the archive.
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    runProgram('tar', ['-C', unpacked, '-xzf', join(folder, name)]);
    const archive = join(to, name.replace('.tgz', '.tar'));
    runProgram('tar', ['-C', unpacked, ...plainTar, '--mode=u=rwX,go=rX', '-cf', archive, 'barrage']);
    runProgram('gzip', ['-9', '--no-name', '--force', archive]);
    rmSync(join(to, name), { force: true });
    renameSync(`${archive}.gz`, join(to, name));
    return name;
  });
}

/** Sets a value and keeps the comments around it. */
function setInYaml(path: string, keys: readonly string[], value: string): void {
  const document = parseDocument(readFileSync(path, 'utf8'));
  document.setIn(keys, value);
  writeFileSync(path, document.toString({ lineWidth: 0 }));
}
