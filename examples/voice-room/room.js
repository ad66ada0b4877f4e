import { randomUUID } from 'node:crypto';

/** Most members of the room, and longest name, in characters. */
const membersMax = 200;
const nameMax = 24;
/** Time without a sign after which a member is gone, in milliseconds. The page gives a sign every 20 s. */
const silenceMs = 60_000;

/** What is wrong with a wish of a member, as an HTTP status and words. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Who is in the room, and what each of them does. Every change is kept first and then told, with the whole new value.
 * So it does no harm that a page which asks for the state gets a change twice: in the state, and as a publication.
 */
export class Room {
  #members = new Map();
  #keys = new Map();
  #tell;

  /** @param tell is called with each change, and how it may be merged with others */
  constructor(tell) {
    this.#tell = tell;
  }

  get state() {
    return { members: [...this.#members.values()].map(publicPart) };
  }

  /** A member comes. The key is the member's own: who has it, is the member. */
  async join({ name }) {
    if (typeof name !== 'string' || name.trim() === '' || name.length > nameMax) throw new Refusal(400, `name: 1 to ${nameMax} characters`);
    if (this.#members.size >= membersMax) throw new Refusal(503, 'the room is full');
    const [id, key] = [randomUUID().slice(0, 8), randomUUID()];
    const isHost = this.#members.size === 0;
    const member = { id, name: name.trim(), isHost, isMuted: true, hasHandUp: false, gifts: 0, seenAt: Date.now() };
    this.#members.set(id, member);
    this.#keys.set(key, member);
    await this.#changed(member);
    return { id, key };
  }

  /** A member does something: `here`, `leave`, `hand`, `mute` (oneself, or by the host anybody) or `gift`. */
  async act({ key, kind, to, on, gift }) {
    const member = this.#keys.get(key);
    if (member === undefined) throw new Refusal(401, 'join first');
    member.seenAt = Date.now();
    const other = this.#members.get(to ?? member.id);
    if (other === undefined) throw new Refusal(404, 'this member is gone');
    if (kind === 'leave') await this.#gone(member);
    else if (kind === 'hand') await this.#changed(Object.assign(member, { hasHandUp: on === true }));
    else if (kind === 'mute') {
      if (other !== member && !member.isHost) throw new Refusal(403, 'only the host mutes others');
      if (other !== member && on !== true) throw new Refusal(403, 'nobody unmutes others');
      await this.#changed(Object.assign(other, { isMuted: on === true, hasHandUp: other.hasHandUp && on === true }));
    } else if (kind === 'gift') {
      if (!['🌹', '🎉', '🚀'].includes(gift)) throw new Refusal(400, 'there is no such gift');
      other.gifts += 1;
      await this.#changed(other);
      // Gifts are never merged, and go before all else.
      await this.#tell({ gift, from: member.name, to: other.name }, { priority: 'high' });
    } else if (kind !== 'here') throw new Refusal(400, 'kind: here, leave, hand, mute or gift');
  }

  /** Lets go of members whose page has vanished. */
  async sweep() {
    const silent = [...this.#members.values()].filter(({ seenAt }) => Date.now() - seenAt > silenceMs);
    for (const member of silent) await this.#gone(member);
  }

  async #gone(member) {
    this.#members.delete(member.id);
    for (const [key, owner] of this.#keys) if (owner === member) this.#keys.delete(key);
    const [heir] = this.#members.values();
    if (member.isHost && heir !== undefined) await this.#changed(Object.assign(heir, { isHost: true }));
    await this.#tell({ left: member.id }, { conflateKey: `member:${member.id}` });
  }

  /** Of the changes of one member in one merge window, pages get the newest. */
  #changed(member) {
    return this.#tell({ member: publicPart(member) }, { conflateKey: `member:${member.id}` });
  }
}

function publicPart({ id, name, isHost, isMuted, hasHandUp, gifts }) {
  return { id, name, isHost, isMuted, hasHandUp, gifts };
}
