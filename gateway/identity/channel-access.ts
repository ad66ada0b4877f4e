import { channelOwner } from '../../core/channel.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';

export type Access = 'allowed' | 'not_authenticated' | 'forbidden';

/** Whether a client with this identity may subscribe to the channel. */
export function mayJoin(policy: ChannelPolicy, channel: string, uid: string | undefined): Access {
  switch (policy.access.subscribe) {
    case 'Public':
      return 'allowed';
    case 'Authenticated':
      return uid === undefined ? 'not_authenticated' : 'allowed';
    case 'Owner':
      if (uid === undefined) return 'not_authenticated';
      return channelOwner(channel) === uid ? 'allowed' : 'forbidden';
  }
}

/** Whether a client with this identity may publish to the channel. */
export function mayPublish(policy: ChannelPolicy, uid: string | undefined): Access {
  switch (policy.access.publish) {
    case 'Public':
      return 'allowed';
    case 'Authenticated':
      return uid === undefined ? 'not_authenticated' : 'allowed';
    case 'Backend':
      return 'forbidden';
  }
}
