/** Files that a study names, beside the services: a browser brings them in pieces, sees what is there, and takes them back. */
import type { IncomingMessage } from "node:http";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import type { ConsoleContext, Handlers } from "./console-context.ts";
import { json, readBytes } from "./plain-http.ts";
import { notOffered } from "./refusals.ts";
import type { Session } from "./sessions.ts";
import type { StudyFilePiece, StudyFiles, StudyFilesThere } from "./study-files.ts";

export const STUDY_FILE_ROUTES: Handlers<"GET /study-files" | "POST /study-file" | "DELETE /study-file"> = {
  async "GET /study-files"(context, { response }, session) {
    json(response, 200, there(filesOf(context), session));
  },
  async "POST /study-file"(context, { request, response, asked }, session) {
    const files = filesOf(context);
    await files.removeEnded(context.sessions.isOver);
    json(response, 200, await files.add(session, pieceIn(asked), () => readPiece(request)));
  },
  async "DELETE /study-file"(context, { response, asked }, session) {
    const files = filesOf(context);
    await files.remove(session, asked.get("name") ?? "");
    json(response, 200, there(files, session));
  },
};

/** With what the page must know to bring another. */
function there(files: StudyFiles, session: Session): StudyFilesThere {
  const { chunkBytes: pieceBytes, consoleStudyFileBytes: fileBytes } = LIMITS;
  return { files: files.list(session), pieceBytes, fileBytes };
}

function filesOf({ studyFiles }: ConsoleContext): StudyFiles {
  if (studyFiles === undefined) throw notOffered("a study's files");
  return studyFiles;
}

function pieceIn(asked: URLSearchParams): StudyFilePiece {
  return {
    name: asked.get("name") ?? "",
    upload: asked.get("upload") ?? undefined,
    offset: Number(asked.get("offset") ?? Number.NaN),
    totalBytes: Number(asked.get("bytes") ?? Number.NaN),
    sha256: asked.get("sha256") ?? "",
  };
}

function readPiece(request: IncomingMessage): Promise<Uint8Array> {
  const declared = Number(request.headers["content-length"] ?? 0);
  const tooLarge = (): ConsiliumError =>
    new ConsiliumError("limit-exceeded", {
      subject: "piece of a file",
      expected: `at most ${LIMITS.chunkBytes} bytes`,
      actual: "more",
      hint: "Reload the page, and choose the file again.",
    });
  if (declared > LIMITS.chunkBytes) throw tooLarge();
  return readBytes(request, LIMITS.chunkBytes, tooLarge);
}
