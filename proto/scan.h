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

enum { SCAN_MAX_NESTING = 16 };

enum scan_result {
	SCAN_MORE,      /* all of the input was taken; the message goes on */
	SCAN_DONE,      /* the message ends after *used bytes */
	SCAN_TOO_LARGE, /* longer than the cap, or a declared count that cannot fit in what is left
			   of it */
	SCAN_TOO_DEEP,  /* nested deeper than SCAN_MAX_NESTING containers */
	SCAN_INVALID,   /* the byte 0xc1, which no MessagePack message holds */
};

struct scan {
	size_t cap;    /* most bytes in one message */
	size_t length; /* bytes of this message seen so far */
	uint64_t skip; /* payload bytes still to pass over */
	unsigned depth;
	uint64_t left[SCAN_MAX_NESTING +
		      1];  /* values still to come, by depth; left[0] is the message itself */
	uint64_t promised; /* values the open containers still have to bring: each is at least a
			      byte */
	unsigned char header[9]; /* a header that was cut */
	unsigned header_have, header_need;
	/* What an error reply needs when the rest is refused: [kind, msgid, ... */
	bool is_request, has_msgid;
	uint32_t msgid;
	unsigned top_index;
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
