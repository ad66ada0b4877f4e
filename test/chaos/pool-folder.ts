import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { policiesHash, signDocument, type PoolGateway } from '../../core/pool/pool-document.ts';
import { gatewayNamed, poolDocument, poolKeys } from '../support/pool-document.ts';
import { policyPart } from './channels.ts';
import { Turns } from './turns.ts';

/** Tells gateways and publishers who is in the pool and which policies are in force, as an operator does. */
export class PoolFolder {
  readonly path: string;
  readonly #keys = poolKeys();
  readonly #turns = new Turns();
  #epoch = 0;
  #turn = 0;
  #gateways: readonly PoolGateway[] = [];

  constructor(path: string) {
    this.path = path;
  }

  get variables(): Readonly<Record<string, string>> {
    return { BARRAGE_POOL_FOLDER: this.path, BARRAGE_POOL_PUBLIC_KEY: this.#keys.publicKeyPem };
  }

  /** Changes the policies. */
  async edit(): Promise<void> {
    this.#turn++;
    await this.#write();
  }

  async serve(gateways: readonly { readonly name: string; readonly port: number }[]): Promise<void> {
    this.#gateways = gateways.map(({ name, port }) => gatewayNamed(name, { url: `ws://127.0.0.1:${port}/` }));
    await this.#write();
  }

  async #write(): Promise<void> {
    await this.#turns.take('write', async () => {
      this.#epoch++;
      const part = policyPart(this.#turn);
      const policies = { hash: policiesHash([part]), parts: 1 };
      const document = poolDocument({ epoch: this.#epoch, gateways: [...this.#gateways], policies });
      await this.#put('policies-0.json', part);
      await this.#put('pool.json', signDocument(document, this.#keys.privateKeyPem));
    });
  }

  async #put(name: string, text: string): Promise<void> {
    const path = join(this.path, name);
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}
