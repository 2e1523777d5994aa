/** Reads the messages of the text-stream topic `majlis.sources`. */

import type { Source } from './captions';

/** Empty if the message is not what it should be: an answer is worth showing without sources. */
export function parseSources(message: string): Source[] {
  let document: unknown;
  try {
    document = JSON.parse(message);
  } catch {
    return [];
  }
  if (!isRecord(document) || !Array.isArray(document.sources)) return [];
  return document.sources.flatMap((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.filename !== 'string') return [];
    const { filename, chunk_index, similarity_score, preview } = entry;
    return [
      {
        filename,
        chunkIndex: typeof chunk_index === 'number' ? chunk_index : 0,
        score: typeof similarity_score === 'number' ? similarity_score : 0,
        preview: typeof preview === 'string' ? preview : '',
      },
    ];
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
