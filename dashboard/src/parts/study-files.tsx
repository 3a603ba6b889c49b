/**
 * Files that a study names, an ONNX network or weights to start from: chosen here, brought to the coordinator one after the
 * other, and kept there until the study is submitted or the session ends.
 */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { troubleOf } from "../api.ts";
import { bringFile, filesThere, takeBack } from "../bring-file.ts";
import { formatBytes } from "../format.ts";
import type { Trouble } from "../trouble.ts";
import { Digest, ProgressBar, TroubleNote } from "./parts.tsx";

interface Props {
  /** Told when files come or go, and whether one is on its way. */
  readonly onChange: (bringing: boolean) => void;
}

type There = Awaited<ReturnType<typeof filesThere>>;

interface OnItsWay {
  readonly name: string;
  readonly held: number;
  readonly bytes: number;
}

export function StudyFiles({ onChange }: Props) {
  const [there, setThere] = useState<There>();
  const [onItsWay, setOnItsWay] = useState<OnItsWay>();
  const [trouble, setTrouble] = useState<Trouble>();
  const stop = useRef(new AbortController());
  const id = useId();
  useEffect(() => {
    filesThere().then(setThere, (error: unknown) => setTrouble(troubleOf(error)));
    return () => stop.current.abort();
  }, []);

  const bring = async (chosen: readonly File[]): Promise<void> => {
    setTrouble(undefined);
    stop.current = new AbortController();
    const { signal } = stop.current;
    onChange(true);
    let name = "";
    try {
      const limits = await filesThere();
      for (const file of chosen) {
        const bytes = file.size;
        name = file.name;
        setOnItsWay({ name, held: 0, bytes });
        await bringFile({ file, limits, signal, onProgress: (held) => setOnItsWay({ name, held, bytes }) });
      }
    } catch (error) {
      if (!signal.aborted) setTrouble(troubleOf(error));
      // What is not whole would only take room.
      await takeBack(name).catch(() => undefined);
    } finally {
      setOnItsWay(undefined);
      await filesThere().then(setThere, () => undefined);
      onChange(false);
    }
  };
  const remove = async (name: string): Promise<void> => {
    setTrouble(undefined);
    try {
      setThere(await takeBack(name));
      onChange(false);
    } catch (error) {
      setTrouble(troubleOf(error));
    }
  };

  const whole = there?.files.filter(({ sha256 }) => sha256 !== null) ?? [];
  return (
    <>
      <p class="field">
        <label for={id}>Files that it names</label>
        <input
          id={id}
          type="file"
          multiple
          accept=".onnx,.safetensors"
          aria-describedby={`${id}-about`}
          disabled={onItsWay !== undefined}
          onChange={(event) => {
            const chosen = [...(event.currentTarget.files ?? [])];
            event.currentTarget.value = "";
            if (chosen.length > 0) void bring(chosen);
          }}
        />
        <span id={`${id}-about`} class="soft">
          Only where the study has a network of its own (network: kind onnx) or weights to start from (initial).
          {there && ` Each at most ${formatBytes(there.fileBytes)}.`}
        </span>
      </p>
      {onItsWay && (
        <div class="bringing">
          <p role="status">
            {onItsWay.name}: {formatBytes(onItsWay.held)} of {formatBytes(onItsWay.bytes)}
          </p>
          <ProgressBar label={`Bringing ${onItsWay.name}`} done={onItsWay.held} total={onItsWay.bytes} />
          <p class="buttons">
            <button type="button" onClick={() => stop.current.abort()}>
              Stop bringing it
            </button>
          </p>
        </div>
      )}
      {trouble && <TroubleNote trouble={trouble} />}
      {whole.length > 0 && (
        <ul class="brought" aria-label="Files that are there">
          {whole.map(({ name, bytes, sha256 }) => (
            <li key={name}>
              <b>{name}</b> {formatBytes(bytes)} {sha256 && <Digest sha256={sha256} />}{" "}
              <button
                type="button"
                aria-label={`Take back ${name}`}
                disabled={onItsWay !== undefined}
                onClick={() => void remove(name)}
              >
                Take back
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
