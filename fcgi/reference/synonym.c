#include "fcgi/reference/synonym.h"

#include <string.h>

#include "fcgi/method.h"

enum {
	MAKES = SYNONYM_DOES(POST),
	READS = SYNONYM_DOES(GET),
	SETS = SYNONYM_DOES(PUT) | SYNONYM_DOES(PATCH),
	DELETES = SYNONYM_DOES(DELETE),
};

/* Two words come before one, wherever they stand here. */
const struct synonym synonyms[] = {
	/* verbs */
	{ "create,add,new,make", MAKES },
	{ "send,submit,post,queue,enqueue", MAKES },
	{ "list,all,search,find", READS },
	{ "get,read,show,view,fetch,see,look up", READS },
	{ "update,change,edit,modify,set,rename", SETS },
	{ "delete,remove,revoke,destroy,drop", DELETES },
	{ "enable,activate,enrol,enroll,turn on,switch on,set up,begin", 0 },
	{ "disable,deactivate,turn off,switch off,suspend,block,ban", 0 },
	{ "cancel,end,stop,unsubscribe", 0 },
	{ "tell,report,record,track,ingest,receive", MAKES },
	{ "ask,chat,prompt,message,talk", 0 },
	/* who somebody is */
	{ "sign in,login,log in,signin,log on,logon", 0 },
	{ "sign up,register,signup,registration,create account,new account", 0 },
	{ "sign out,logout,log out,signout", 0 },
	{ "me,current user,my profile,my account,who am,whoami,myself", 0 },
	{ "second factor,mfa,2fa,totp,two factor,two step,multi factor,authenticator app", 0 },
	{ "passkey,passkeys,webauthn,fido2,security key", 0 },
	{ "forgot,forgotten,lost,recover", 0 },
	{ "google,oauth,social", 0 },
	{ "impersonate,impersonation,act as", 0 },
	{ "permission,right,privilege,may", 0 },
	{ "api key,apikey,secret key,access key,api token", 0 },
	/* what there is */
	{ "organization,organisation,org,company,workspace,tenant", 0 },
	{ "invite,invitation", 0 },
	{ "member,somebody,colleague,teammate,people", 0 },
	{ "mail,email,e mail", 0 },
	{ "picture,avatar,image,photo", 0 },
	{ "file,attachment,document", 0 },
	{ "subscription,subscribe", 0 },
	{ "invoice,receipt,bill", 0 },
	{ "checkout,pay,payment,buy,purchase", 0 },
	{ "price,pricing,plan", 0 },
	{ "usage,use,used,consumption,consume,metering", 0 },
	{ "task,job,background", 0 },
	{ "schedule,cron,recurring", 0 },
	{ "model,llm,ai,language model,gpt", 0 },
	{ "agent,bot", 0 },
	{ "websocket,socket,ws,realtime,real time,live", 0 },
	{ "webhook,hook", 0 },
	{ "flag,feature flag,toggle", 0 },
	{ "trace,traces,span,spans,telemetry,otlp", 0 },
	{ "health,health check,status,alive,uptime,ready", 0 },
	{ "audit log,audit,history", 0 },
	{ "notification,alert", 0 },
	{ NULL, 0 },
};

bool synonym_is_filler(const char *word, size_t n)
{
	static const char fillers[] = " a an and are can could did do does for from have how i if into is it "
				      "its much my of on or our please"
				      " should so some that the their them there they this to want was we "
				      "what when where which will with"
				      " would you your ";
	char wanted[16];

	if (n > sizeof(wanted) - 3)
		return false;
	wanted[0] = ' ';
	memcpy(wanted + 1, word, n);
	memcpy(wanted + n + 1, " ", 2);
	return strstr(fillers, wanted);
}
