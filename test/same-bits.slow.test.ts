/**
 * The same study, data and seed give the same model, bit for bit: as processes over TLS, as processes of which the
 * coordinator and a site are killed in mid-round, in one process, and where the network comes from an ONNX file.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { sha256 } from "../src/base/index.ts";
import { type Commands, createCommands, type RunningCommand } from "../src/cli/demo/processes.ts";
import { adminClient, type CoordinatorStatus } from "../src/coordinator/index.ts";
import { encodeOnnx } from "../src/graph/index.ts";
import { writeCohort } from "../src/imaging/index.ts";
import { networkOfStudy } from "../src/networks/index.ts";
import { runSimulation } from "../src/simulate/index.ts";
import { type Study, studySchema } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const SITES = ["east", "south", "west"] as const;

const study: Study = studySchema.parse({
  schema: "consilium.study/1",
  name: "same bits",
  task: { spacingMm: 4 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: {
    optimiser: { kind: "sgd", learningRate: 0.02 },
    patch: [16, 16, 16],
    stepsPerRound: 40,
    threads: 1,
    seed: 5,
  },
  rounds: { count: 4, evaluateEvery: 2 },
});

/** The same network, but exported to a file as a hospital would bring it. */
const exported = { ...study, network: { kind: "onnx", file: "network.onnx" } } as const;

let folder = "";
const dataOf = (site: string): string => join(folder, "data", site);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-same-bits-"));
  await mkdir(join(folder, "data"));
  for (const [i, site] of SITES.entries()) {
    await writeCohort({ dir: dataOf(site), cases: 5, seed: 3, firstCase: 5 * i, firstSite: i, spacingMm: 4 });
  }
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What is done to the processes while they work; returns when nothing more is to be done. */
type Disturb = (federation: LiveFederation) => Promise<void>;

interface LiveFederation {
  readonly status: () => Promise<CoordinatorStatus>;
  killCoordinator(): Promise<void>;
  killSite(site: string): Promise<void>;
}

async function asProcesses(name: string, disturb: Disturb, run: object = study): Promise<string> {
  const out = join(folder, name);
  const home = join(out, "coordinator");
  await mkdir(out);
  const commands = createCommands(LAUNCHER, new AbortController().signal);
  try {
    await commands.run(
      "coordinator",
      "init",
      "--home",
      home,
      "--name",
      name,
      "--listen",
      "127.0.0.1:0",
      "--unencrypted",
    );
    let coordinator = await startCoordinator(commands, home);
    for (const site of SITES) {
      const invitation = join(out, `${site}.json`);
      await commands.run("coordinator", "invite", "--home", home, "--site", site, "--out", invitation);
      await commands.run("site", "join", "--home", join(out, site), "--invitation", invitation);
      await commands.run("site", "data", "--home", join(out, site), "--dataset", dataOf(site));
    }
    const studyFile = join(out, "study.yaml");
    await writeFile(studyFile, stringify(run));
    await writeFile(join(out, "network.onnx"), encodeOnnx(networkOfStudy(study)));
    const { studyHash } = (await commands.run("study", "submit", "--home", home, studyFile)) as { studyHash: string };
    const sites = new Map<string, RunningCommand>();
    const startSite = (site: string): void => {
      sites.set(site, commands.start("site", "start", "--home", join(out, site), "--once"));
    };
    for (const site of SITES) {
      await commands.run("site", "review", "--home", join(out, site));
      await commands.run("site", "approve", "--home", join(out, site), studyHash);
      startSite(site);
    }
    await disturb({
      status: () => adminClient(home).status(),
      async killCoordinator() {
        await killed(coordinator);
        coordinator = await startCoordinator(commands, home);
      },
      async killSite(site) {
        const running = sites.get(site);
        if (running !== undefined) await killed(running);
        startSite(site);
      },
    });
    await Promise.all([...sites.values()].map(({ ended }) => ended));
    const { study: ended } = await adminClient(home).status();
    expect(ended?.end?.kind).toBe("done");
    return ended?.rounds.at(-1)?.modelSha256 ?? "";
  } finally {
    await commands.stopAll();
  }
}

/** The last round's model of a simulation; the chosen one must be among its rounds'. */
async function inOneProcess(name: string, run: Study): Promise<string> {
  const modelFile = run.network.kind === "onnx" ? join(folder, "from-a-file", "network.onnx") : undefined;
  const outcome = await runSimulation(
    {
      study: run,
      network: networkOfStudy(study),
      initial: networkParameters(networkOfStudy(study)),
      ...(modelFile !== undefined && { modelFile }),
      data: { kind: "folders", sites: SITES.map((id) => ({ id, dir: dataOf(id) })) },
      out: join(folder, name),
      baselines: false,
      workers: 2,
      command: "test",
    },
    () => undefined,
  );
  const { study: ended } = await adminClient(join(folder, name, "coordinator")).status();
  const models = ended?.rounds.map(({ modelSha256 }) => modelSha256) ?? [];
  expect(models).toContain(outcome.result.federated.modelSha256);
  return models.at(-1) ?? "";
}

async function startCoordinator(commands: Commands, home: string): Promise<RunningCommand> {
  const coordinator = commands.start("coordinator", "start", "--home", home);
  await Promise.race([coordinator.says("listens on"), coordinator.ended]);
  return coordinator;
}

async function killed(command: RunningCommand): Promise<void> {
  process.kill(command.pid, "SIGKILL");
  await command.ended.catch(() => undefined);
}

async function until(federation: LiveFederation, condition: (status: CoordinatorStatus) => boolean): Promise<void> {
  for (let i = 0; i < 1200; i++) {
    if (condition(await federation.status())) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the federation never came so far");
}

describe("the same study, data and seed", () => {
  it("give the same model as processes, as killed processes and in one process", async () => {
    const plain = await asProcesses("plain", () => Promise.resolve());
    const disturbed = await asProcesses("disturbed", async (federation) => {
      await until(federation, ({ study: now }) => (now?.round ?? 0) >= 2 && (now?.came.length ?? 0) >= 1);
      await federation.killCoordinator();
      await until(
        federation,
        ({ study: now }) => (now?.round ?? 0) >= 3 && now?.phase === "collecting" && !now.came.includes("south"),
      );
      await federation.killSite("south");
    });
    const fromFile = await asProcesses("from-a-file", () => Promise.resolve(), exported);
    const simulated = await inOneProcess("simulated", study);
    const simulatedFromFile = await inOneProcess("simulated-from-a-file", {
      ...study,
      network: { ...exported.network, sha256: sha256(await readFile(join(folder, "from-a-file", "network.onnx"))) },
    });
    expect({ disturbed, fromFile, simulated, simulatedFromFile }).toEqual({
      disturbed: plain,
      fromFile: plain,
      simulated: plain,
      simulatedFromFile: plain,
    });
  }, 900_000);
});
