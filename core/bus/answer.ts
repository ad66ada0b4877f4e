import type { GatewayReply, GatewayRequest, GatewayServer } from './bus.ts';

/** A gateway's answer. An error becomes an answer of kind `failed`. */
export async function answerOf(server: GatewayServer, request: GatewayRequest, deadlineMs: number): Promise<GatewayReply> {
  try {
    return await server.answer(request, deadlineMs);
  } catch (error) {
    return { kind: 'failed', reason: `the gateway failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}
