import { isUtf8 } from 'node:buffer';
import { channelNameFault } from '../../core/channel.ts';
import { counted } from '../../core/counted.ts';
import { limits } from '../../core/limits.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { publish, type PublishRequest, type PublishResult } from '../places/publishing.ts';
import { line, type Line } from '../view/table.ts';
import { show, type Context } from './context.ts';
import { readBytes } from './files.ts';

export interface PublishOptions {
  readonly pool?: string;
  readonly file?: string;
  readonly binary?: boolean;
  readonly priority?: string;
  readonly wait?: boolean;
}

/** `publish CHANNEL [DATA]`. Without DATA and --file the payload is read from standard input. */
export async function publishTo(context: Context, channel: string, data: string | undefined, options: PublishOptions): Promise<void> {
  const { place, key } = context;
  checkChannel(channel);
  const bytes = await payload(context, data, options.file);
  if (options.binary !== true && !isUtf8(bytes)) throw new CommandFault('usage', 'the payload is not UTF-8: use --binary');
  const request: PublishRequest = {
    c: channel,
    d: bytes.toString(options.binary === true ? 'base64' : 'utf8'),
    ...(options.binary === true ? { t: 'binary' as const } : {}),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.wait === true ? { wait: 'delivered' as const } : {}),
  };
  const end = place.kind === 'urls' ? place.publisher() : await place.publisher(await place.pool(options.pool), key);
  const result = await publish(end, request);
  await show(context, { channel, ...result }, () => resultLines(channel, result));
}

/** @throws CommandFault `usage` for a name that no channel can have */
export function checkChannel(channel: string): void {
  const fault = channelNameFault(channel);
  if (fault !== undefined) throw new CommandFault('usage', `there is no such channel: ${fault}`);
}

async function payload({ terminal }: Context, data: string | undefined, file: string | undefined): Promise<Buffer> {
  if (data !== undefined && file !== undefined) throw new CommandFault('usage', 'give the payload as DATA or with --file, not both');
  if (data !== undefined) return Buffer.from(data);
  if (file !== undefined && file !== '-') return readBytes(file, limits.payloadBytesMax);
  try {
    return await terminal.input(limits.payloadBytesMax);
  } catch (error) {
    throw new CommandFault('usage', `the payload can't be read: ${wordsOf(error)}`, { cause: error });
  }
}

function resultLines(channel: string, result: PublishResult): readonly Line[] {
  const { s, f, offset, epoch, dropped, pending, unanswered } = result;
  const place = `${channel} #${offset} (epoch ${epoch})`;
  if (dropped === undefined)
    return [
      line(
        `${place}: ${counted(s, 'member')} will get it${f === 0 ? '' : `, ${f} with a full queue will not`}`,
        s === 0 ? 'quiet' : 'good',
      ),
    ];
  const reasons = Object.entries(dropped)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ');
  return [
    line(`${place}: sent to ${counted(s, 'member')}, not to ${f}${reasons === '' ? '' : ` (${reasons})`}, ${pending ?? 0} waiting`),
    ...((unanswered ?? []).length === 0 ? [] : [line(`Without an answer: ${(unanswered ?? []).join(', ')}`, 'bad')]),
  ];
}
