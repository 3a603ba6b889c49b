/** A study with its own network and its own first weights, from a browser: the plain requests and calls over real HTTP. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { LIMITS, sha256 } from "../src/base/index.ts";
import { openStudyFile } from "../src/cli/open-study.ts";
import type { StudyFilesThere, StudyFileView } from "../src/console/index.ts";
import { joinFake } from "../src/coordinator/testing/fake-site.ts";
import { ModelProtoSchema, StringStringEntryProtoSchema } from "../src/graph/gen/onnx/onnx_pb.ts";
import { encodeOnnx, parametersToSafetensors } from "../src/graph/index.ts";
import { unet3d } from "../src/networks/index.ts";
import { studyHash } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";
import { at, type SignedIn, signIn, useConsole } from "./dashboard/console-fixture.ts";

useConsole();

const SIZES = {
  inputChannels: 4,
  classes: 4,
  stem: 1,
  detail: false,
  mirror: false,
  levels: 2,
  baseFeatures: 2,
  maxFeatures: 320,
  seed: 7,
};
const NETWORK = encodeOnnx(unet3d(SIZES));
const WEIGHTS = parametersToSafetensors(networkParameters(unet3d({ ...SIZES, seed: 8 })));

function yamlOf({ network = "{ kind: onnx, file: net.onnx }", more = "" } = {}): string {
  const training = "training: { optimiser: { kind: sgd, learningRate: 0.02 }, patch: [16, 16, 16], stepsPerRound: 2 }";
  return `schema: consilium.study/1\nname: Own network\nnetwork: ${network}\n${training}\nrounds: { count: 1 }\n${more}`;
}

const WITH_WEIGHTS = yamlOf({ more: "initial: { file: start.safetensors }\n" });

let lead: SignedIn;
beforeEach(async () => {
  lead = await signIn("lead");
});

type Refused = { readonly code: string; readonly subject: string; readonly actual: string };

interface Sent {
  readonly who?: SignedIn;
  readonly body?: Uint8Array;
}

async function ask<T>(method: string, path: string, { who = lead, body }: Sent = {}): Promise<T & { error?: Refused }> {
  const headers = { cookie: who.cookie, "x-consilium-csrf": who.csrf };
  const answer = await fetch(at.server.url + path, {
    method,
    headers,
    ...(body && { body: new Uint8Array(body) }),
  });
  return (await answer.json()) as T & { error?: Refused };
}

interface Piece extends Record<string, unknown> {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

function sendPiece(piece: Piece, body: Uint8Array, who = lead): Promise<StudyFileView & { error?: Refused }> {
  const about = new URLSearchParams();
  for (const [key, value] of Object.entries({ sha256: sha256(body), ...piece })) about.set(key, String(value));
  return ask("POST", `/study-file?${about}`, { who, body });
}

/** As the page does it. */
async function bring(name: string, bytes: Uint8Array, pieceBytes = 10_000, who = lead): Promise<StudyFileView> {
  let view: Partial<StudyFileView> = {};
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const piece = { name, offset, bytes: bytes.length, ...(view.upload && { upload: view.upload }) };
    const answer = await sendPiece(piece, bytes.subarray(offset, offset + pieceBytes), who);
    expect(answer.error).toBeUndefined();
    view = answer;
  }
  return view as StudyFileView;
}

interface Called {
  readonly json?: string;
  readonly message?: string;
}

/** @returns the document, or the code and subject of the refusal */
async function callStudy(method: "CheckStudy" | "SubmitStudy", asked: object, who = lead): Promise<unknown> {
  const answer = await fetch(`${at.server.url}/api/consilium.v1.CoordinatorConsole/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", cookie: who.cookie, "x-consilium-csrf": who.csrf },
    body: JSON.stringify(asked),
  });
  const { json, message = "" } = (await answer.json()) as Called;
  return json === undefined ? (/^[a-z-]+: [^:]+/.exec(message)?.[0] ?? message) : JSON.parse(json);
}

/** Every file that lies there, by its path; parts have a name of their own. */
async function onDisk(): Promise<string[]> {
  const folder = join(at.folder, "home", "study-files");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => (name.endsWith(".part") ? "a part" : name));
}

test("a network and weights come in pieces, the study is shown, submitted, and the same as the command makes it", async () => {
  await joinFake(at.coordinator, "tum", at.folder);
  expect(await ask("GET", "/study-files")).toEqual({
    files: [],
    pieceBytes: LIMITS.chunkBytes,
    fileBytes: LIMITS.consoleStudyFileBytes,
  });
  const first = NETWORK.subarray(0, 1_000);
  const begun = await sendPiece({ name: "net.onnx", offset: 0, bytes: NETWORK.length }, first);
  expect(begun).toMatchObject({ name: "net.onnx", held: 1_000, bytes: NETWORK.length, sha256: null });
  expect(await onDisk()).toEqual(["a part"]);
  expect(await callStudy("CheckStudy", { yaml: yamlOf() })).toBe("file-not-found: study, network.file");

  expect((await bring("net.onnx", NETWORK)).sha256).toBe(sha256(NETWORK));
  expect((await bring("start.safetensors", WEIGHTS)).sha256).toBe(sha256(WEIGHTS));
  expect((await onDisk()).sort()).toEqual(["net.onnx", "start.safetensors"]);

  for (const [name, bytes] of [
    ["net.onnx", NETWORK],
    ["start.safetensors", WEIGHTS],
    ["study.yaml", Buffer.from(WITH_WEIGHTS)],
  ] as const) {
    await writeFile(join(at.folder, name), bytes);
  }
  const { study } = await openStudyFile(join(at.folder, "study.yaml"));
  const hash = studyHash(study);
  expect(await callStudy("CheckStudy", { yaml: WITH_WEIGHTS })).toMatchObject({ hash, study });
  const submitted = await callStudy("SubmitStudy", { yaml: WITH_WEIGHTS, hash });
  expect(submitted).toMatchObject({ hash, name: "Own network", roster: ["tum"] });

  const record = at.coordinator.state().study;
  expect(await readFile(at.coordinator.objectPath(record?.network?.sha256 ?? ""))).toEqual(Buffer.from(NETWORK));
  expect(record?.initial).toMatchObject({ sha256: sha256(WEIGHTS) });
  expect(await onDisk()).toEqual([]);
  expect((await ask<StudyFilesThere>("GET", "/study-files")).files).toEqual([]);
});

describe("a network is refused", () => {
  test.each([
    ["that is none", () => Buffer.from("no network"), "onnx-corrupt: net.onnx"],
    ["whose weights lie in another file", () => external("/etc/hostname"), "onnx-unsupported: net.onnx"],
    ["of an unknown operator", () => withOperator("Mystery"), /^operator-unsupported: net.onnx/],
    ["of other channels", () => encodeOnnx(unet3d({ ...SIZES, inputChannels: 3 })), /^study-invalid: /],
    ["of other classes", () => encodeOnnx(unet3d({ ...SIZES, classes: 2 })), /^study-invalid: /],
  ])("%s", async (_, bytes, refusal) => {
    await joinFake(at.coordinator, "tum", at.folder);
    await bring("net.onnx", bytes());
    for (const method of ["CheckStudy", "SubmitStudy"] as const) {
      const said = await callStudy(method, { yaml: yamlOf() });
      expect(said).toEqual(typeof refusal === "string" ? refusal : expect.stringMatching(refusal));
    }
    expect(at.coordinator.state().study).toBeNull();
  });

  test("of another hash than the study names, and weights of another network", async () => {
    await bring("net.onnx", NETWORK);
    await bring("start.safetensors", parametersToSafetensors(networkParameters(unet3d({ ...SIZES, levels: 3 }))));
    const named = yamlOf({ network: `{ kind: onnx, file: net.onnx, sha256: "${"0".repeat(64)}" }` });
    expect(await callStudy("CheckStudy", { yaml: named })).toBe("study-invalid: study, network.file");
    expect(await callStudy("CheckStudy", { yaml: WITH_WEIGHTS })).toBe(
      "study-invalid: start.safetensors, initial.file",
    );
  });

  test("that took another's place since the study was shown", async () => {
    await joinFake(at.coordinator, "tum", at.folder);
    await bring("net.onnx", NETWORK);
    const { hash } = (await callStudy("CheckStudy", { yaml: yamlOf() })) as { hash: string };
    await bring("net.onnx", encodeOnnx(unet3d({ ...SIZES, seed: 9 })));
    expect(await callStudy("SubmitStudy", { yaml: yamlOf(), hash })).toBe("study-invalid: study");
    expect(at.coordinator.state().study).toBeNull();
  });
});

test("a study reads no file of the coordinator's machine, and none that another session brought", async () => {
  const secret = join(at.folder, "home", "net.onnx");
  await writeFile(secret, NETWORK);
  for (const path of [secret, "../net.onnx", "../../net.onnx"]) {
    const yaml = yamlOf({ network: `{ kind: onnx, file: ${path} }` });
    expect(await callStudy("CheckStudy", { yaml }), path).toBe("file-not-found: study, network.file");
  }
  const other = await signIn("lead");
  await bring("net.onnx", NETWORK, 10_000, other);
  expect(await callStudy("CheckStudy", { yaml: yamlOf() })).toBe("file-not-found: study, network.file");
  expect(await callStudy("CheckStudy", { yaml: yamlOf() }, other)).toMatchObject({ study: { name: "Own network" } });
  await ask("DELETE", "/study-file?name=net.onnx");
  expect((await ask<StudyFilesThere>("GET", "/study-files", { who: other })).files).toHaveLength(1);
});

describe("a piece is refused", () => {
  const code = async (answer: Promise<{ error?: Refused }>): Promise<string | undefined> => (await answer).error?.code;

  test("of another digest, and the upload goes on where it was", async () => {
    const piece = { name: "net.onnx", offset: 0, bytes: 20 };
    const ten = Buffer.alloc(10, 1);
    expect(await code(sendPiece({ ...piece, sha256: sha256("other") }, ten))).toBe("object-corrupt");
    expect(await onDisk()).toEqual([]);
    const { upload } = await sendPiece(piece, ten);
    expect(await code(sendPiece({ ...piece, offset: 10, upload, sha256: "" }, ten))).toBe("object-corrupt");
    expect(await sendPiece({ ...piece, offset: 10, upload }, ten)).toMatchObject({ held: 20 });
  });

  test("of a name that leads elsewhere, of a size that cannot be, larger than any piece", async () => {
    const ten = Buffer.alloc(10);
    const misnamed = [
      "",
      "../net.onnx",
      "a/b",
      "a\\b",
      ".net",
      "a\0b",
      "-o",
      "n".repeat(LIMITS.consoleStudyFileChars + 1),
    ];
    for (const name of misnamed) {
      expect(await code(sendPiece({ name, offset: 0, bytes: 10 }, ten)), name).toBe("message-invalid");
    }
    for (const bytes of [0, -1, 1.5, Number.NaN, 9]) {
      expect(await code(sendPiece({ name: "a", offset: 0, bytes }, ten)), String(bytes)).toBe("message-invalid");
    }
    expect(await code(sendPiece({ name: "a", offset: 0, bytes: 10 }, Buffer.alloc(0)))).toBe("message-invalid");
    const tooMany = LIMITS.consoleStudyFileBytes + 1;
    expect(await code(sendPiece({ name: "a", offset: 0, bytes: tooMany }, ten))).toBe("limit-exceeded");
    const tooLarge = Buffer.alloc(LIMITS.chunkBytes + 1);
    expect(await code(sendPiece({ name: "a", offset: 0, bytes: tooLarge.length }, tooLarge))).toBe("limit-exceeded");
    expect(await onDisk()).toEqual([]);
  });

  test("beyond the files of one session and the bytes of all; one that takes another's place is let in", async () => {
    const ten = Buffer.alloc(10);
    const half = LIMITS.consoleStudyFilesBytes / 2;
    for (let i = 0; i < LIMITS.consoleStudyFilesOfSession; i++) await bring(`file ${i}`, ten);
    expect(await code(sendPiece({ name: "more", offset: 0, bytes: 10 }, ten))).toBe("limit-exceeded");
    expect(await code(sendPiece({ name: "file 0", offset: 0, bytes: half }, ten))).toBeUndefined();
    const other = await signIn("lead");
    expect(await code(sendPiece({ name: "more", offset: 0, bytes: half }, ten, other))).toBe("limit-exceeded");
    await ask("DELETE", `/study-file?name=${encodeURIComponent("file 0")}`);
    expect(await code(sendPiece({ name: "more", offset: 0, bytes: half }, ten, other))).toBeUndefined();
  });

  test("of an upload whose file was begun anew: two never mix", async () => {
    const piece = { name: "net.onnx", offset: 0, bytes: 20 };
    const { upload: first } = await sendPiece(piece, Buffer.alloc(10, 1));
    const { upload: second } = await sendPiece(piece, Buffer.alloc(10, 2));
    const rest = { ...piece, offset: 10 };
    expect(await code(sendPiece({ ...rest, upload: first }, Buffer.alloc(10, 1)))).toBe("object-refused");
    expect(await code(sendPiece({ ...rest, offset: 5, upload: second }, Buffer.alloc(10, 2)))).toBe("object-refused");
    const { sha256: whole } = await sendPiece({ ...rest, upload: second }, Buffer.alloc(10, 2));
    expect(whole).toBe(sha256(Buffer.alloc(20, 2)));
    expect(await code(sendPiece({ ...rest, upload: second }, Buffer.alloc(10, 2)))).toBe("object-refused");
    expect(await onDisk()).toEqual(["net.onnx"]);
  });
});

test("what is abandoned is removed: after a while, with its session, and by the console that starts after a kill", async () => {
  const half = { name: "half.onnx", offset: 0, bytes: 20 };
  await sendPiece(half, Buffer.alloc(10));
  await bring("net.onnx", NETWORK);
  at.nowMs += LIMITS.consoleStudyFileIdleMs - 1;
  // The session was idle as long; another's piece makes the console look.
  await at.studyFiles.removeEnded(() => false);
  expect((await onDisk()).sort()).toEqual(["a part", "net.onnx"]);
  at.nowMs += 1;
  await at.studyFiles.removeEnded(() => false);
  expect(await onDisk()).toEqual([]);

  lead = await signIn("lead");
  await sendPiece(half, Buffer.alloc(10));
  await bring("net.onnx", NETWORK);
  await ask("DELETE", "/session");
  lead = await signIn("lead");
  await bring("another.onnx", NETWORK);
  expect(await onDisk()).toEqual(["another.onnx"]);

  const { openStudyFiles } = await import("../src/console/index.ts");
  await openStudyFiles(join(at.folder, "home", "study-files"), { nowMs: () => at.nowMs });
  expect(await onDisk()).toEqual([]);
});

test("only the owner of the home may read what lies there", async () => {
  await bring("net.onnx", NETWORK);
  const folder = join(at.folder, "home", "study-files");
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    expect(mode & 0o077, entry.name).toBe(0);
  }
});

/** The network with its first tensor in another file. */
function external(location: string): Uint8Array {
  const model = fromBinary(ModelProtoSchema, NETWORK);
  const [tensor] = model.graph?.initializer ?? [];
  tensor.rawData = new Uint8Array();
  tensor.dataLocation = 1;
  tensor.externalData = [create(StringStringEntryProtoSchema, { key: "location", value: location })];
  return toBinary(ModelProtoSchema, model);
}

function withOperator(name: string): Uint8Array {
  const model = fromBinary(ModelProtoSchema, NETWORK);
  const [node] = model.graph?.node ?? [];
  node.opType = name;
  return toBinary(ModelProtoSchema, model);
}
