import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildProductImage } from './product.ts';

const usage = `Usage: npm run image [-- --output FILE --name NAME:TAG]

Builds the image that the Dockerfile describes, without a container engine, as an OCI archive:
  docker load -i FILE | podman load -i FILE | ctr images import FILE | skopeo copy oci-archive:FILE …
SOURCE_DATE_EPOCH is the time (Unix seconds) that the image says it was made at; default: that of the commit.
`;

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      output: { type: 'string', default: 'dist/barrage-image.tar' },
      name: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  if (epoch !== undefined && !/^\d{1,11}$/.test(epoch)) throw new Error(`SOURCE_DATE_EPOCH="${epoch}" must be Unix seconds`);
  const image = await buildProductImage({
    path: values.output,
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(epoch === undefined ? {} : { createdAt: Number(epoch) }),
  });
  const [base, application] = image.layers;
  process.stdout.write(`${image.name} for linux/${image.architecture}, ${image.digest}
  archive      ${image.path}, ${mib(statSync(image.path).size)}
  base         ${mib(base?.size ?? 0)}, unpacked ${mib(base?.unpackedSize ?? 0)}: Node ${image.node.version}, ${image.debian.map(({ name, version }) => `${name} ${version}`).join(', ')}
  application  ${mib(application?.size ?? 0)}, unpacked ${mib(application?.unpackedSize ?? 0)}: code of ${image.packages.length} packages
`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`image: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 1;
}
