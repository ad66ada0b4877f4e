import { counted } from '../../core/counted.ts';
import { isLoopbackHost } from '../../core/process/loopback.ts';
import type { Comment, ParsedComments } from './comments.ts';
import { progressLine, type PlayEnd } from './player.ts';
import { goodShare, shownShare, speedToShow } from './screen.ts';
import type { Viewed } from './viewer.ts';

/** What was played, and what of the file was not. */
export function summary(file: Extract<ParsedComments, { kind: 'comments' }>, { kind, progress }: PlayEnd): string {
  const { leftOut, colourless, controls } = file;
  const notes = [
    `in ${(progress.elapsedMs / 1000).toFixed(1)} s`,
    leftOut.positioned > 0 ? `left out ${leftOut.positioned} with a position or code of their own` : '',
    leftOut.unknownMode > 0 ? `left out ${leftOut.unknownMode} of an unknown mode` : '',
    leftOut.empty > 0 ? `left out ${leftOut.empty} without text` : '',
    leftOut.untimed > 0 ? `left out ${leftOut.untimed} without a time` : '',
    leftOut.broken > 0 ? `left out ${leftOut.broken} cut off or unreadable` : '',
    colourless > 0 ? `in the file ${colourless} without a readable colour, shown in white` : '',
    controls > 0 ? `${counted(controls, 'control character')} made into spaces` : '',
  ].filter((note) => note !== '');
  return `${kind}: ${progressLine(progress)}; ${notes.join('; ')}`;
}

/** What a viewer at a gateway was given, or why there was none. */
export function viewNote(gateway: string, viewed: Viewed | { readonly fault: string }): string {
  if ('fault' in viewed) return `not counted: no viewer could watch at ${gateway}: ${viewed.fault}\n`;
  const { publications, leftOut, missed } = viewed;
  const notes = [
    leftOut > 0 ? `the gateway left out ${leftOut} above the channel's budget` : '',
    missed > 0 ? `${missed} ${missed === 1 ? 'was' : 'were'} lost on the way` : '',
  ].filter((note) => note !== '');
  const why = notes.length === 0 ? 'none was left out' : notes.join(', and ');
  return `a viewer at ${gateway} was given ${publications} of ${publications + leftOut + missed}: ${why}\n`;
}

/** How many of them a screen had a place for, if that is few; empty otherwise. */
export function screenNote(played: readonly Comment[], speed: number): string {
  const share = shownShare(played, speed);
  if (share >= goodShare) return '';
  const percent = Math.floor(share * 100);
  return `a screen of 1280 × 720 had a place for about ${percent} % of them, the others came while it was full: try --speed ${speedToShow(played, speed)}\n`;
}

/** Why it failed. Where nothing runs on this machine, it says what to start. */
export function failureNote(url: URL, reason: string): string {
  const start = isLoopbackHost(url.hostname) && reason.includes('ECONNREFUSED') ? '. Start one with: npm start' : '';
  return `replay: ${url.origin}: ${reason}${start}\n`;
}
