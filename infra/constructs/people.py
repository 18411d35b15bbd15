"""The people who sign in: user pool, roles as groups, the application of the command line.

Depends on: aws-cdk-lib. Used by: `infra.stacks.data`.
"""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.config import EnvironmentConfig

ROLES = {
    "viewer": "Reads tests, runs and reports.",
    "experimenter": "Also creates tests and starts runs.",
    "admin": "Also registers providers.",
}
PASSWORD_LENGTH = 14


class People(Construct):
    """A user pool without self sign-up; administrators invite.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
        removal: what happens to the pool when the stack goes.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, config: EnvironmentConfig, removal: RemovalPolicy
    ) -> None:
        super().__init__(scope, construct_id)
        self.pool = cognito.UserPool(
            self,
            "Pool",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=PASSWORD_LENGTH,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=Duration.days(3),
            ),
            mfa=cognito.Mfa.OPTIONAL if config.mfa else cognito.Mfa.OFF,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False) if config.mfa else None,
            deletion_protection=config.retain_data,
            removal_policy=removal,
        )
        for precedence, (role, description) in enumerate(reversed(ROLES.items())):
            cognito.CfnUserPoolGroup(
                self,
                role.capitalize(),
                user_pool_id=self.pool.user_pool_id,
                group_name=role,
                description=description,
                precedence=precedence,
            )
        self.client = cognito.UserPoolClient(
            self,
            "CommandLine",
            user_pool=self.pool,
            # A program on a user's machine can keep no secret.
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_password=True),
            disable_o_auth=True,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=Duration.hours(1),
            id_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
        )
