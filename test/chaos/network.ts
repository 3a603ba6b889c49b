/**
 * The network between a site and its coordinator: messages are delayed, lost, delivered twice, overtake one another, and
 * for a time do not get through at all. Refusals travel as their records, as over the real line.
 */
import { ConsiliumError, sha256 } from "../../src/base/index.ts";
import type { Coordinator } from "../../src/coordinator/index.ts";
import {
  type CoordinatorLink,
  errorFromRecord,
  errorRecord,
  type Peer,
  type SignedEnvelope,
} from "../../src/protocol/index.ts";
import type { SiteDisk } from "./memory-stores.ts";
import { type Disk, type Life, never, type World } from "./world.ts";

export interface NetworkFaults {
  readonly loss: number;
  readonly duplication: number;
  /** Chance of a long delay, which lets later messages overtake. */
  readonly delay: number;
  /** Chance at a message that its site is cut off for a while. */
  readonly partition: number;
}

export interface Line {
  readonly world: World;
  readonly faults: NetworkFaults;
  readonly life: Life;
  /** The coordinator that runs now, if one does. */
  readonly coordinator: () => Coordinator | undefined;
  readonly peer: Peer;
  readonly kept: SiteDisk;
  readonly disk: Disk;
  /** Hears every answer that reaches the site. */
  readonly answered: (request: SignedEnvelope, reply: SignedEnvelope) => void;
}

const PIECE_BYTES = 2_000;
const CUT_OFF_MS = 3_000;
const SHORT_MS = 20;
/** Longer than a request is waited for, so that some arrive when their sender has given up. */
const LONG_MS = 1_500;
const TIMEOUT_MS = 1_000;

export function simulatedLink(line: Line): CoordinatorLink {
  const { world, kept, disk, peer } = line;
  let cutOffUntilMs = 0;
  const call = <T>(work: (coordinator: Coordinator) => Promise<T>): Promise<T> => {
    const { random } = world;
    if (random.chance(line.faults.partition)) cutOffUntilMs = world.nowMs() + random.between(0, CUT_OFF_MS);
    return carried(line, work, () => world.nowMs() < cutOffUntilMs);
  };
  return {
    async exchange(envelope) {
      const reply = await call((coordinator) => coordinator.service.exchange(peer, envelope));
      line.answered(envelope, reply);
      return reply;
    },
    async fetchObject({ sha256: hash, bytes }) {
      const whole = new Uint8Array(bytes);
      for (let at = 0; at < bytes; ) {
        const range = { sha256: hash, offset: at, bytes: Math.min(PIECE_BYTES, bytes - at) };
        const piece = await call((coordinator) => coordinator.service.readObject(peer, range));
        whole.set(piece, at);
        at += piece.length;
      }
      if (sha256(whole) !== hash) throw unreachable("an object of another digest");
      await disk.write(() => void kept.objects.set(hash, whole));
    },
    async sendObject({ sha256: hash, fromFile }) {
      const bytes = kept.objects.get(fromFile) ?? new Uint8Array();
      const object = { sha256: hash, totalBytes: bytes.length };
      let held = await call((coordinator) => coordinator.service.heldBytes(peer, object));
      while (held < bytes.length) {
        const chunk = { ...object, offset: held, bytes: bytes.slice(held, held + PIECE_BYTES) };
        held = await call((coordinator) => coordinator.service.writeObject(peer, chunk));
      }
    },
    useCertificate: () => undefined,
    close: async () => undefined,
  };
}

/** One request on its way there, perhaps twice, and its answer on its way back. */
function carried<T>(
  { world, faults, life, coordinator }: Line,
  work: (coordinator: Coordinator) => Promise<T>,
  isCutOff: () => boolean,
): Promise<T> {
  if (!life.isAlive()) return never();
  const { random } = world;
  const travelMs = (): number => random.between(0, random.chance(faults.delay) ? LONG_MS : SHORT_MS);
  const there = (): Promise<T> | undefined => {
    const running = coordinator();
    return running && work(running);
  };
  return new Promise<T>((resolve, reject) => {
    let open = true;
    const end = (finish: () => void): void => {
      if (!open) return;
      open = false;
      callOffTimeout();
      if (life.isAlive()) finish();
    };
    const callOffTimeout = world.after(TIMEOUT_MS, () => end(() => reject(unreachable("no answer"))));
    const arrivesMs = travelMs();
    if (random.chance(faults.duplication)) {
      // Whoever sends a message again gets the answer to that; the site hears the answer to its own.
      world.after(arrivesMs + travelMs(), () => void (isCutOff() || there()?.catch(() => undefined)));
    }
    if (random.chance(faults.loss)) return;
    world.after(arrivesMs, () => {
      if (isCutOff()) return;
      const answer = there();
      if (answer === undefined) return end(() => reject(unreachable("a closed port")));
      const back = (finish: () => void): void => {
        if (random.chance(faults.loss)) return;
        world.after(travelMs(), () => void (isCutOff() || end(finish)));
      };
      answer.then(
        (value) => back(() => resolve(value)),
        (error: unknown) => back(() => reject(errorFromRecord(errorRecord(error)))),
      );
    });
  });
}

function unreachable(actual: string): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: "coordinator",
    expected: "an answer",
    actual,
    hint: "Try again later.",
  });
}
