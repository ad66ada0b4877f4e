import { createHash } from 'node:crypto';
import { runProgram } from './image/layer.ts';
import type { ProductImage } from './image/product.ts';

interface Component {
  readonly 'bom-ref'?: string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/** A bill of materials in the form of CycloneDX, as far as it is read here. */
export interface Bom {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies?: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/**
 * What the packages of `dependencies` are and where they come from, by npm's own command. The same lock file gives the
 * same text. `npm sbom --omit dev` would leave out packages that a development package needs too, so what is for
 * development alone is left out here.
 * @param createdAt ISO 8601, in UTC
 */
export function sourceBom(repository: string, createdAt: string): Bom {
  const bom = JSON.parse(runProgram('npm', ['sbom', '--sbom-format', 'cyclonedx'], { cwd: repository })) as Bom;
  const components = bom.components.filter(({ properties = [] }) => !properties.some(({ name }) => name === 'cdx:npm:package:development'));
  const refs = new Set([bom.metadata.component, ...components].map((component) => component['bom-ref']));
  const dependencies = (bom.dependencies ?? [])
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  return numbered({ ...bom, metadata: { ...bom.metadata, timestamp: createdAt }, components, dependencies });
}

/** What is in an image: the packages of npm of which it has code, Node, and the packages of its base. */
export function imageBom(source: Bom, image: ProductImage, createdAt: string): Bom {
  const known = new Map(source.components.map((component) => [`${component.name}@${component.version}`, component]));
  const npm = image.packages.map(({ name, version }): Component => {
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return known.get(`${name}@${version}`) ?? { 'bom-ref': purl, type: 'library', name, version, purl };
  });
  const base = basePackages(image).map(({ name, version, purl }): Component => ({ 'bom-ref': purl, type: 'library', name, version, purl }));
  const purl = `pkg:oci/barrage@${image.digest.replace(':', '%3A')}?arch=${image.architecture}`;
  return numbered({
    bomFormat: 'CycloneDX',
    specVersion: source.specVersion,
    serialNumber: '',
    metadata: {
      timestamp: createdAt,
      component: { 'bom-ref': purl, type: 'container', name: 'barrage', version: image.source.version, purl },
    },
    components: [...npm, ...base],
  });
}

/** What the image's base is made of, with package URLs. */
export function basePackages({
  node,
  debian,
  architecture,
}: ProductImage): readonly Required<Pick<Component, 'name' | 'version' | 'purl'>>[] {
  return [
    { name: 'node', version: node.version, purl: `pkg:npm/node@${node.version}` },
    ...debian.map(({ name, version }) => ({
      name,
      version,
      purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`,
    })),
  ];
}

/** With a serial number that follows from the content. */
function numbered(bom: Bom): Bom {
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...bom, serialNumber: '' }))
    .digest('hex');
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return { ...bom, serialNumber: `urn:uuid:${uuid}` };
}
