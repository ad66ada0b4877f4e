import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';

/** The declarations of the client as one file, without what is `@internal`. @throws when a source can't be declared */
export async function declarations(): Promise<string> {
  const bundle = await rolldown({
    input: { index: fileURLToPath(new URL('../barrage.ts', import.meta.url)) },
    // Declarations come from the text of each file alone: the exports of the client have their types written.
    plugins: [dts({ emitDtsOnly: true, oxc: { stripInternal: true }, tsconfig: false })],
  });
  const { output } = await bundle.generate({ format: 'es' });
  await bundle.close();
  const [file] = output;
  if (file?.type !== 'chunk') throw new Error('no declarations were made');
  return file.code;
}
