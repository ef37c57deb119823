/*
 * The scanner that makes MessagePack from a stranger safe: it finds where a message ends without
 * allocating anything, and refuses, on the header that shows it, what msgpack-c would choke on.
 *
 * It is resumable: feed it bytes as they arrive, however they are cut; each byte is looked at once.
 */
#ifndef FREELLM_SCAN_H
#define FREELLM_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCAN_MAX_NESTING = 16,
	/* Values in one message. msgpack-c makes 24 bytes of memory out of a value of one byte, so
	 * that without this bound a message at a cap of 16 MiB would take 400 MB; with it, 6 MB. */
	SCAN_MAX_VALUES = 1 << 18,
	SCAN_ENVELOPE = 3, /* the values that begin a message: the array, the kind, the msgid */
};

enum scan_result {
	SCAN_MORE,      /* all of the input was taken; the message goes on */
	SCAN_DONE,      /* the message ends after *used bytes */
	SCAN_TOO_LARGE, /* longer than the cap, or a declared count that cannot fit in what is left
			   of it, or more than SCAN_MAX_VALUES values */
	SCAN_TOO_DEEP,  /* nested deeper than SCAN_MAX_NESTING containers */
	SCAN_INVALID,   /* the byte 0xc1, which no MessagePack message holds */
};

/* All fields but has_msgid, is_request and msgid are the scanner's own. */
struct scan {
	size_t cap;    /* most bytes in one message */
	size_t length; /* bytes of this message seen so far; never more than cap */
	uint64_t skip; /* payload bytes still to pass over */
	uint64_t
		promised; /* values still to begin, in all open containers: each is at least a byte */
	uint64_t values;                     /* values declared so far, these included */
	uint64_t left[SCAN_MAX_NESTING + 1]; /* the same by depth; left[0] is the message itself */
	unsigned depth;
	unsigned char header[9]; /* a header that was cut */
	unsigned header_have;
	unsigned
		top_index; /* how much of the envelope was seen; SCAN_ENVELOPE: nothing to see any more */
	/* What an error reply needs when the rest is refused. */
	bool is_request; /* the message began with [0, ... */
	bool has_msgid;  /* ... and a msgid followed */
	uint32_t msgid;
};

/* Ready for the next message. `cap` is in bytes and stays the caller's to choose for each message.
 */
void scan_init(struct scan *s, size_t cap);

/*
 * Looks at `len` more bytes. *used is set to the number taken: all of them for SCAN_MORE, up to the
 * end of the message for SCAN_DONE. After an error the scanner must be initialised again;
 * `has_msgid` and `msgid` tell which request the refused bytes began, when they got that far.
 */
enum scan_result scan_feed(struct scan *s, const void *data, size_t len, size_t *used);

#endif
